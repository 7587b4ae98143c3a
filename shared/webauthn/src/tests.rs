//! `tests/api/passkeys.rs` has the checks of answers, over HTTP. These tests concern the stored form of keys.

use webauthn_rs_core::proto::{COSEEC2Key, COSERSAKey};

use super::*;

/// The generator of P-256: its coordinates are a valid key.
const X: &str = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY";
const Y: &str = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";

#[test]
fn a_stored_key_is_a_cose_key_and_is_read_back() {
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let p256 = COSEKey {
        type_: COSEAlgorithm::ES256,
        key: COSEKeyType::EC_EC2(COSEEC2Key { curve: ECDSACurve::SECP256R1, x: decoded(X), y: decoded(Y) }),
    };
    let bytes = key_bytes(&p256).unwrap();
    // The canonical form of CTAP2, in which authenticators send it: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
    let expected = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &decoded(X), &[0x22, 0x58, 32], &decoded(Y)];
    assert_eq!(bytes, expected.concat());
    assert_eq!(key(&URL_SAFE_NO_PAD.encode(bytes)), Ok(p256));
    let rsa =
        COSEKey { type_: COSEAlgorithm::RS256, key: COSEKeyType::RSA(COSERSAKey { n: vec![0xc1; 256], e: [1, 0, 1] }) };
    assert_eq!(key(&URL_SAFE_NO_PAD.encode(key_bytes(&rsa).unwrap())), Ok(rsa));
}

#[test]
fn other_texts_are_not_keys() {
    for text in ["", "***", "oA", "AAAA"] {
        assert_eq!(key(text), Err(Rejected), "{text}");
    }
}
