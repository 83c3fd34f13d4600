//! A small writer of DICOM files: explicit VR little endian (PS3.5 §7.1.2) in the Part 10 format (PS3.10 §7.1).

use bytes::{BufMut as _, Bytes, BytesMut};

/// Explicit VR Little Endian.
const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.1";
/// Names this writer in the files it makes; derived from a random UUID.
const IMPLEMENTATION_CLASS: &str = "2.25.288873160437512046834028613418245571369";

/// A dataset being written. Elements must come in the order of their tags.
#[derive(Default)]
pub(super) struct Dataset(BytesMut);

impl Dataset {
    /// A text value; several are joined by backslashes.
    pub(super) fn text(&mut self, tag: (u16, u16), vr: &str, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            // PS3.5 §6.2: UIDs are padded with NUL, other text with a space.
            bytes.push(if vr == "UI" { 0 } else { b' ' });
        }
        self.element(tag, vr, &bytes)
    }

    /// An unsigned 16-bit value.
    pub(super) fn number(&mut self, tag: (u16, u16), value: u16) -> &mut Self {
        self.element(tag, "US", &value.to_le_bytes())
    }

    /// Any value; its length must be even.
    pub(super) fn element(&mut self, tag: (u16, u16), vr: &str, value: &[u8]) -> &mut Self {
        self.0.put_u16_le(tag.0);
        self.0.put_u16_le(tag.1);
        self.0.put_slice(vr.as_bytes());
        if matches!(vr, "OB" | "OW" | "SQ" | "UN" | "UT") {
            self.0.put_u16_le(0);
            self.0.put_u32_le(u32::try_from(value.len()).unwrap_or(u32::MAX));
        } else {
            self.0.put_u16_le(u16::try_from(value.len()).unwrap_or(u16::MAX));
        }
        self.0.put_slice(value);
        self
    }

    /// The file: preamble, meta group, dataset.
    pub(super) fn into_file(self, class: &str, instance: &str) -> Bytes {
        let mut meta = Self::default();
        meta.element((0x0002, 0x0001), "OB", &[0, 1])
            .text((0x0002, 0x0002), "UI", class)
            .text((0x0002, 0x0003), "UI", instance)
            .text((0x0002, 0x0010), "UI", TRANSFER_SYNTAX)
            .text((0x0002, 0x0012), "UI", IMPLEMENTATION_CLASS)
            .text((0x0002, 0x0013), "SH", "HILUM_DEMO");
        let mut length = Self::default();
        length.element(
            (0x0002, 0x0000),
            "UL",
            &u32::try_from(meta.0.len()).unwrap_or(u32::MAX).to_le_bytes(),
        );
        let mut file = BytesMut::with_capacity(self.0.len() + 512);
        file.put_bytes(0, 128);
        file.put_slice(b"DICM");
        file.put_slice(&length.0);
        file.put_slice(&meta.0);
        file.put_slice(&self.0);
        file.freeze()
    }
}
