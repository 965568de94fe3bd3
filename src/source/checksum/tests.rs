// SPDX-License-Identifier: Apache-2.0
use super::*;

const A: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const B: &str =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn sha256(text: &str) -> Sha256 {
    text.parse().unwrap()
}

fn find(text: &str, name: &str) -> Option<Sha256> {
    let file = ChecksumFile::parse(text).unwrap();
    file.find(name, false).unwrap()?.sha256
}

#[test]
fn styles() {
    for (line, name) in [
        (format!("{A}  a.img"), "a.img"),
        (format!("{A} *a.img"), "a.img"),
        (format!("{A} a.img"), "a.img"),
        (format!("{A}\ta.img"), "a.img"),
        (format!("{A}  ./a.img"), "a.img"),
        (format!("{A}  a b.img"), "a b.img"),
        (format!("{}  a.img", A.to_uppercase()), "a.img"),
        (format!("SHA256 (a.img) = {A}"), "a.img"),
        (format!("SHA256 (a) = b) = {A}"), "a) = b"),
        (format!("\\{A}  a\\\\b\\nc"), "a\\b\nc"),
        (format!("\\SHA256 (a\\nb) = {A}"), "a\nb"),
    ] {
        for text in [
            line.clone(),
            format!("# a comment\n\n{line}\n"),
            format!("{B}  other\r\n{line}\r\n"),
        ] {
            assert_eq!(find(&text, name), Some(sha256(A)), "{text:?}");
            assert_eq!(find(&text, "absent"), None);
        }
    }
}

#[test]
fn names_match_exactly() {
    let text = format!("{A}  old/a.img\n{A}  xa.img\n{A}  a.img.zst\n");
    assert_eq!(find(&text, "a.img"), None);
    let file = ChecksumFile::parse(&text).unwrap();
    assert!(file.find("a.img", true).unwrap().is_some());
}

#[test]
fn a_bare_hash_is_about_one_file() {
    let file = ChecksumFile::parse(&format!("{A}\n")).unwrap();
    assert_eq!(file.find("a", false).unwrap(), None);
    let found = file.find("a", true).unwrap().unwrap();
    assert_eq!(found.sha256, Some(sha256(A)));
}

#[test]
fn both_algorithms_are_kept() {
    let sha512 = A.repeat(2);
    let text = format!("SHA512 (a) = {sha512}\n{A}  a\n{}  a\n", &A[..32]);
    let file = ChecksumFile::parse(&text).unwrap();
    let found = file.find("a", false).unwrap().unwrap();
    assert_eq!(found.sha256, Some(sha256(A)));
    assert_eq!(found.sha512.unwrap().to_string(), sha512);
    assert_eq!(
        file.summary(),
        "it lists `a` and 1 checksums that are neither SHA-256 nor SHA-512"
    );
}

#[test]
fn disagreement_is_an_error() {
    let text = format!("{A}  a\n{A} *a\n");
    assert_eq!(find(&text, "a"), Some(sha256(A)), "agreement is none");
    for text in [
        format!("{A}  a\n{B}  a\n"),
        format!("{A}  a\nSHA256 (./a) = {B}\n"),
    ] {
        let file = ChecksumFile::parse(&text).unwrap();
        let error = file.find("a", false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify);
        insta::allow_duplicates! {
            insta::assert_snapshot!(
                error, @"two different checksums for `a`"
            );
        }
    }
}

#[test]
fn what_is_no_checksum_file() {
    for text in [
        "",
        "<html>not found</html>\n",
        "a.img\n",
        &A[1..],
        &format!("{}g  a", &A[1..]),
        "SHA256 (a) = abc\n",
    ] {
        let error = ChecksumFile::parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
    }
}

#[test]
fn weak_algorithms_are_passed_over() {
    let text = format!("MD5 (a) = {}\n{}  a\n", &A[..32], &A[..40]);
    assert_eq!(find(&text, "a"), None);
    let file = ChecksumFile::parse(&text).unwrap();
    assert_eq!(
        file.summary(),
        "it lists 0 files and 2 checksums that are neither SHA-256 nor SHA-512"
    );
}

proptest::proptest! {
    #[test]
    fn any_text(text in "[ -~\\\\\n\r\t]{0,300}", name in "[a-z.]{1,4}") {
        if let Ok(file) = ChecksumFile::parse(&text) {
            let _ = file.find(&name, true);
            let _ = file.summary();
        }
    }
}
