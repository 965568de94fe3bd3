// SPDX-License-Identifier: Apache-2.0
//! OpenPGP signatures against gpg: made by it, and judged as it does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use imagewright::source::{FetchOptions, Fetched};
use imagewright::{ErrorKind, Result};

use super::{get, noise, options, reference, run, run_any, sums};

/// A GnuPG home of its own.
struct Gpg {
    home: tempfile::TempDir,
}

/// Long ago, for what has to have expired.
const THEN: &str = "--faked-system-time=20200601T000000";

impl Gpg {
    fn new() -> Self {
        // Under /tmp: the agent's socket has a short path.
        let home = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        Self { home }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", self.home.path())
            .env("LC_ALL", "C");
        command.args(["--batch", "--yes", "--no-tty", "--quiet"]);
        command.args(["--pinentry-mode", "loopback", "--passphrase", ""]);
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        run(self.command().args(arguments))
    }

    /// Runs an interactive command by what a person would type.
    fn edit(&self, key: &str, typed: &str) {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", self.home.path())
            .args(["--no-tty", "--quiet", "--expert"])
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            .args(["--command-fd", "0", "--edit-key", key]);
        let output = run_any(&mut command, typed.as_bytes());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
    }

    /// Makes a key; returns its fingerprint.
    fn key(&self, user: &str, algorithm: &str, usage: &str) -> String {
        self.run(&["--quick-gen-key", user, algorithm, usage, "never"]);
        self.fingerprint(user)
    }

    fn fingerprint(&self, user: &str) -> String {
        let list = self.run(&["--with-colons", "--list-keys", user]);
        let line = list.lines().find(|line| line.starts_with("fpr:"));
        line.unwrap().split(':').nth(9).unwrap().to_owned()
    }

    fn revoke(&self, fingerprint: &str) {
        let path = self.home.path().join("openpgp-revocs.d");
        let path = path.join(format!("{fingerprint}.rev"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(":-----BEGIN", "-----BEGIN")).unwrap();
        self.run(&["--import", path.to_str().unwrap()]);
    }

    /// What gpg thinks: the words of its status lines.
    fn verdict(&self, files: &[&Path]) -> String {
        let mut command = self.command();
        command.args(["--status-fd", "1", "--verify"]).args(files);
        let output = run_any(&mut command, b"");
        let words = String::from_utf8(output.stdout).unwrap();
        let known = [
            "GOODSIG",
            "BADSIG",
            "ERRSIG",
            "EXPSIG",
            "EXPKEYSIG",
            "REVKEYSIG",
        ];
        let said = words
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .find(|word| known.contains(word));
        said.unwrap_or("nothing").to_owned()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

/// An image, its SHA256SUMS, and a keyring to come.
struct Mirror {
    dir: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Mirror {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = noise(5000);
        fs::write(dir.path().join("a.img"), &image).unwrap();
        let text = [sums("a.img", &image), sums("b.img", b"")].concat();
        fs::write(dir.path().join("SHA256SUMS"), text).unwrap();
        Self {
            dir,
            cache: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Signs SHA256SUMS into `output`.
    fn sign(&self, gpg: &Gpg, key: &str, output: &str, more: &[&str]) {
        let output = self.text(output);
        let mut arguments = more.to_vec();
        if !more.contains(&"--clearsign") {
            arguments.push("--detach-sign");
        }
        let sums = self.text("SHA256SUMS");
        arguments.extend(["--local-user", key, "--output", &output, &sums]);
        gpg.run(&arguments);
    }

    fn options(&self) -> FetchOptions {
        options(self.cache.path()).keyring(reference(&self.path("keys.gpg")))
    }

    /// Exports every key of `gpg` as the keyring, and fetches with it.
    fn fetch(&self, gpg: &Gpg) -> Result<Fetched> {
        gpg.run(&["--export", "--output", &self.text("keys.gpg")]);
        get(&self.text("a.img"), &self.options())
    }

    fn refused(&self, gpg: &Gpg) -> String {
        let error = self.fetch(gpg).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify, "{error}");
        error.to_string()
    }

    fn verdict(&self, gpg: &Gpg, signature: &str) -> String {
        gpg.verdict(&[&self.path(signature), &self.path("SHA256SUMS")])
    }
}

#[test]
fn good_signatures_of_every_shape() {
    let gpg = Gpg::new();
    let key = gpg.key("Good <good@example.org>", "ed25519", "sign");
    for (file, more) in [
        ("SHA256SUMS.gpg", &[][..]),
        ("SHA256SUMS.sign", &["--armor"]),
        ("SHA256SUMS.asc", &["--armor", "--textmode"]),
        ("SHA256SUMS.sig", &["--digest-algo", "SHA256"]),
    ] {
        let mirror = Mirror::new();
        mirror.sign(&gpg, &key, file, more);
        assert_eq!(mirror.verdict(&gpg, file), "GOODSIG");
        let fetched = mirror.fetch(&gpg).unwrap();
        let signer = fetched.verified_by.signer.unwrap();
        assert_eq!(signer.fingerprint, key);
        assert_eq!(signer.user, "Good <good@example.org>");

        // An armored keyring, after other text and another block.
        let mut armored = gpg.run(&["--armor", "--export", &key]);
        armored = format!("Keys of us:\n{armored}\n{armored}");
        fs::write(mirror.path("keys.gpg"), armored).unwrap();
        get(&mirror.text("a.img"), &mirror.options()).unwrap();
    }
}

#[test]
fn rsa_and_ecdsa_keys() {
    let gpg = Gpg::new();
    for algorithm in ["rsa2048", "nistp256"] {
        let key = gpg.key(algorithm, algorithm, "sign");
        let mirror = Mirror::new();
        mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[]);
        let signer = mirror.fetch(&gpg).unwrap().verified_by.signer.unwrap();
        assert_eq!(signer.fingerprint, key);
    }
}

#[test]
fn clearsigned_files() {
    let gpg = Gpg::new();
    let key = gpg.key("Clear", "ed25519", "sign");
    let mirror = Mirror::new();
    // Dashes and blanks, which the format treats apart.
    let sums = mirror.path("SHA256SUMS");
    let mut text = fs::read_to_string(&sums).unwrap();
    text.push_str("- dash\n-----\ntrailing \t\n\n\n");
    fs::write(&sums, text).unwrap();
    mirror.sign(&gpg, &key, "CHECKSUM", &["--clearsign"]);
    fs::remove_file(&sums).unwrap();
    let signed = fs::read_to_string(mirror.path("CHECKSUM")).unwrap();
    let verdict = || gpg.verdict(&[&mirror.path("CHECKSUM")]);
    assert_eq!(verdict(), "GOODSIG");
    let signer = mirror.fetch(&gpg).unwrap().verified_by.signer.unwrap();
    assert_eq!(signer.fingerprint, key);

    // Line ends are not signed.
    let crlf = signed.replace('\n', "\r\n");
    fs::write(mirror.path("CHECKSUM"), crlf).unwrap();
    assert_eq!(verdict(), "GOODSIG");
    mirror.fetch(&gpg).unwrap();

    // A changed text.
    let changed = signed.replace("b.img", "c.img");
    fs::write(mirror.path("CHECKSUM"), changed).unwrap();
    assert_eq!(verdict(), "BADSIG");
    assert!(mirror.refused(&gpg).contains("altered"));

    // What stands around the signed part says nothing, with a keyring or not.
    let outside = String::from_utf8(super::sums("evil.img", b"x")).unwrap();
    fs::write(mirror.path("evil.img"), b"x").unwrap();
    for text in [format!("{outside}{signed}"), format!("{signed}{outside}")] {
        fs::write(mirror.path("CHECKSUM"), text).unwrap();
        mirror.fetch(&gpg).unwrap();
        for options in [mirror.options(), options(mirror.cache.path())] {
            let error = get(&mirror.text("evil.img"), &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Verify);
        }
    }
}

#[test]
fn altered_and_missing_signatures() {
    let gpg = Gpg::new();
    let key = gpg.key("Good", "ed25519", "sign");
    let mirror = Mirror::new();
    assert!(
        mirror
            .refused(&gpg)
            .contains("SHA256SUMS: it has no signature")
    );

    mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[]);
    let sums = mirror.path("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, format!("{text}\n")).unwrap();
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "BADSIG");
    let said = mirror.refused(&gpg);
    assert!(said.contains(&key) && said.contains("altered"), "{said}");

    // Every bit of a signature flipped in turn: refused, never a panic.
    fs::write(&sums, text).unwrap();
    let path = mirror.path("SHA256SUMS.gpg");
    let signature = fs::read(&path).unwrap();
    for at in 0..signature.len() {
        let mut bytes = signature.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let ours = mirror.fetch(&gpg).is_ok();
        let theirs = mirror.verdict(&gpg, "SHA256SUMS.gpg") == "GOODSIG";
        assert!(theirs || !ours, "byte {at}: we accept what gpg does not");
    }
    for bytes in [&b""[..], b"no signature", &signature[..20]] {
        fs::write(&path, bytes).unwrap();
        mirror.refused(&gpg);
    }

    // The same with the keys, which may survive it.
    fs::write(&path, signature).unwrap();
    mirror.fetch(&gpg).unwrap();
    let keys = fs::read(mirror.path("keys.gpg")).unwrap();
    for at in 0..keys.len() {
        let mut bytes = keys.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(mirror.path("keys.gpg"), &bytes).unwrap();
        let _ = get(&mirror.text("a.img"), &mirror.options());
    }
}

#[test]
fn keys_that_are_not_ours() {
    let gpg = Gpg::new();
    let theirs = Gpg::new();
    gpg.key("Good", "ed25519", "sign");
    let stranger = theirs.key("Stranger", "ed25519", "sign");
    let mirror = Mirror::new();
    mirror.sign(&theirs, &stranger, "SHA256SUMS.gpg", &[]);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "ERRSIG");
    let said = mirror.refused(&gpg);
    assert!(said.contains(&stranger), "{said}");
    assert!(said.contains("not in the keyring"), "{said}");

    // One good signature of several is enough.
    let good = gpg.fingerprint("Good");
    mirror.sign(&gpg, &good, "second.gpg", &[]);
    let mut both = fs::read(mirror.path("SHA256SUMS.gpg")).unwrap();
    both.extend(fs::read(mirror.path("second.gpg")).unwrap());
    fs::write(mirror.path("SHA256SUMS.gpg"), both).unwrap();
    mirror.fetch(&gpg).unwrap();
}

#[test]
fn expired_keys_and_signatures() {
    let gpg = Gpg::new();
    gpg.run(&[THEN, "--quick-gen-key", "Old", "ed25519", "sign", "1y"]);
    let old = gpg.fingerprint("Old");
    let mirror = Mirror::new();
    mirror.sign(&gpg, &old, "SHA256SUMS.gpg", &[THEN]);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "EXPKEYSIG");
    assert!(mirror.refused(&gpg).contains("has expired"));

    // Its owner gives it more time.
    gpg.run(&["--quick-set-expire", &old, "0"]);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "GOODSIG");
    mirror.fetch(&gpg).unwrap();

    let more = [THEN, "--default-sig-expire", "30d"];
    mirror.sign(&gpg, &old, "SHA256SUMS.gpg", &more);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "EXPSIG");
    assert!(mirror.refused(&gpg).contains("it has expired"));

    let future = ["--faked-system-time=20600601T000000"];
    mirror.sign(&gpg, &old, "SHA256SUMS.gpg", &future);
    assert!(mirror.refused(&gpg).contains("from the future"));
}

#[test]
fn revoked_keys() {
    let gpg = Gpg::new();
    let key = gpg.key("Revoked", "ed25519", "sign");
    let mirror = Mirror::new();
    mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[]);
    mirror.fetch(&gpg).unwrap();
    gpg.revoke(&key);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "REVKEYSIG");
    assert!(mirror.refused(&gpg).contains("is revoked"));
}

#[test]
fn subkeys() {
    let gpg = Gpg::new();
    let key = gpg.key("Main", "ed25519", "cert");
    gpg.run(&["--quick-add-key", &key, "ed25519", "sign", "never"]);
    let mirror = Mirror::new();
    mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[]);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "GOODSIG");
    let signer = mirror.fetch(&gpg).unwrap().verified_by.signer.unwrap();
    assert_eq!(signer.fingerprint, key, "that of the primary key");

    // Revoked, of a key that is not.
    gpg.edit(&key, "key 1\nrevkey\ny\n0\n\ny\nsave\n");
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "REVKEYSIG");
    assert!(
        mirror
            .refused(&gpg)
            .contains("has a subkey that is revoked")
    );
}

#[test]
fn expired_subkeys() {
    let gpg = Gpg::new();
    gpg.run(&[THEN, "--quick-gen-key", "Main", "ed25519", "cert", "never"]);
    let key = gpg.fingerprint("Main");
    gpg.run(&[THEN, "--quick-add-key", &key, "ed25519", "sign", "1y"]);
    let mirror = Mirror::new();
    mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[THEN]);
    assert_eq!(mirror.verdict(&gpg, "SHA256SUMS.gpg"), "EXPKEYSIG");
    assert!(
        mirror
            .refused(&gpg)
            .contains("has a subkey that has expired")
    );
}

#[test]
fn keys_that_may_no_longer_sign() {
    let gpg = Gpg::new();
    let key = gpg.key("Usage", "ed25519", "cert,sign");
    let mirror = Mirror::new();
    mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[]);
    mirror.fetch(&gpg).unwrap();
    // Self-signatures have a resolution of a second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    gpg.edit(&key, "change-usage\nS\nQ\nsave\n");
    assert!(mirror.refused(&gpg).contains("may not sign"));
}

#[test]
fn weak_digests() {
    let gpg = Gpg::new();
    let key = gpg.key("Weak", "rsa2048", "sign");
    for digest in ["SHA1", "RIPEMD160"] {
        let mirror = Mirror::new();
        let more = ["--digest-algo", digest];
        mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &more);
        let said = mirror.refused(&gpg);
        assert!(said.contains(&format!("{digest}, too weak")), "{said}");
    }
}

#[test]
fn old_keys_with_sha1_self_signatures() {
    let old = [
        "--faked-system-time=20100601T000000",
        "--cert-digest-algo=SHA1",
    ];
    let recent = [
        "--faked-system-time=20220601T000000",
        "--cert-digest-algo=SHA1",
    ];
    for (more, accepted) in [(old, true), (recent, false)] {
        let gpg = Gpg::new();
        let make = ["--quick-gen-key", "Old", "rsa2048", "sign", "never"];
        gpg.run(&[&more[..], &make].concat());
        let key = gpg.fingerprint("Old");
        let mirror = Mirror::new();
        mirror.sign(&gpg, &key, "SHA256SUMS.gpg", &[]);
        match accepted {
            true => drop(mirror.fetch(&gpg).unwrap()),
            false => {
                let said = mirror.refused(&gpg);
                assert!(said.contains("no valid self-signature"), "{said}");
            }
        }
    }
}

#[test]
fn where_signature_and_checksums_are_given() {
    let gpg = Gpg::new();
    let key = gpg.key("Good", "ed25519", "sign");
    let mirror = Mirror::new();
    mirror.sign(&gpg, &key, "elsewhere.sig", &[]);
    gpg.run(&["--export", "--output", &mirror.text("keys.gpg")]);
    let given = mirror
        .options()
        .signature(reference(&mirror.path("elsewhere.sig")));
    let image = mirror.text("a.img");
    get(&image, &given).unwrap();

    // A digest, too: all three must agree.
    let digest = get(&image, &given).unwrap().sha256;
    let fetched = get(&image, &given.clone().sha256(digest)).unwrap();
    assert!(fetched.verified_by.signer.is_some());
    let wrong = imagewright::recipe::Sha256::of(b"x");
    let error = get(&image, &given.sha256(wrong)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);

    // Without keys, a signature is an argument that makes no sense.
    let senseless = options(mirror.cache.path())
        .signature(reference(&mirror.path("elsewhere.sig")));
    let error = get(&image, &senseless).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn what_is_no_keyring() {
    let gpg = Gpg::new();
    gpg.key("Good", "ed25519", "sign");
    let mirror = Mirror::new();
    let image = mirror.text("a.img");
    let error = get(&image, &mirror.options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for bytes in [&b""[..], b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"x y"] {
        fs::write(mirror.path("keys.gpg"), bytes).unwrap();
        let error = get(&image, &mirror.options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify, "{error}");
    }
    let keybox = fs::read(gpg.home.path().join("pubring.kbx")).unwrap();
    fs::write(mirror.path("keys.gpg"), keybox).unwrap();
    let error = get(&image, &mirror.options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.advice().unwrap().contains("gpg --export"));
}
