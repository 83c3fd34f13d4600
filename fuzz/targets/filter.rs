//! `$filter` of the Graph-compatible API (OData 4.01 part 2 §5.1.1).

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Err(error) = hilum_identity::check_filter(&text) {
        assert!(!error.to_string().is_empty(), "an error says nothing");
    }
});
