//! QR codes as pictures inside a page: `<svg>`, because the pages' policy lets no image be loaded.

use std::fmt::{self, Write as _};

use qrcodegen::{QrCode, QrCodeEcc};

/// Light modules around the code (ISO/IEC 18004 §9.1).
const QUIET: i32 = 4;

/// The path of the dark modules and the side of the picture, in modules; nothing when the text is too long.
#[derive(Clone)]
pub(crate) struct Drawing {
    pub(crate) path: String,
    pub(crate) side: i32,
}

/// It is a secret, readable by every camera.
impl fmt::Debug for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawing")
    }
}

/// Draws a text.
pub(crate) fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            // Writing to a text does not fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    Some(Drawing { path, side: code.size() + 2 * QUIET })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_begins_with_its_finder_pattern() {
        let drawing = draw("otpauth://totp/contoso.local:ada?secret=GEZDGNBV").unwrap();
        assert!(drawing.path.starts_with("M4 4h1v1h-1zM5 4h1v1h-1z"), "{}", drawing.path);
        assert!(drawing.side > 8 + 21);
        assert!(draw(&"x".repeat(5000)).is_none());
    }
}
