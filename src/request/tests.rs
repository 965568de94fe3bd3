// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::error::ErrorKind;

fn fails(operation: &str, request: &str) -> Error {
    let operation: Operation = operation.parse().unwrap();
    operation.run(request, &Monitor::silent()).unwrap_err()
}

#[test]
fn every_operation_has_one_row() {
    for operation in Operation::all() {
        assert_eq!(operation.name().parse::<Operation>().unwrap(), operation);
        assert_eq!(operation.row().0, operation);
    }
    let names: std::collections::BTreeSet<_> =
        Operation::all().map(Operation::name).collect();
    assert_eq!(names.len(), Operation::TABLE.len());
}

#[test]
fn an_unknown_operation_is_named_with_its_neighbour() {
    let error = "biuld".parse::<Operation>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.advice().unwrap().contains("build"), "{error:?}");
}

#[test]
fn what_is_not_known_is_refused() {
    for request in [
        "",
        "[]",
        "{}",
        r#"{"image": {"path": "x"}, "imgae": 1}"#,
        r#"{"image": {"path": "x", "format": "qcow3"}}"#,
    ] {
        let error = fails("info", request);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{request}");
    }
}

#[test]
fn a_recipe_inside_is_checked_as_one() {
    let request = r#"{"input": {"image": "x.qcow2"}, "output": "out",
        "recipe": {"apiVersion": "imagewright/v1alpha1", "kind": "NodeImage",
                   "pakages": {}}}"#;
    let error = fails("plan", request);
    assert_eq!(error.kind(), ErrorKind::Recipe);
    assert!(error.to_string().contains("packages"), "{error}");
}

#[test]
fn a_build_needs_an_image() {
    let error = fails("plan", r#"{"output": "out"}"#);
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.advice().unwrap().contains("input"));
}

#[test]
fn a_field_that_would_not_be_heeded_is_refused() {
    let request = r#"{"image": {"path": "x.qcow2", "snapshot": "before"}}"#;
    for operation in ["inspect", "sbom", "verify", "compact"] {
        let error = fails(operation, request);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{operation}");
        assert!(error.to_string().contains("snapshot"), "{error}");
    }
}

#[test]
fn fields_that_several_requests_share_are_known_and_others_are_not() {
    for (operation, request) in [
        (
            "build",
            r#"{"output": "out", "locked": "none", "mirror": "m""#,
        ),
        (
            "lock",
            r#"{"output": "out", "sourceDate": 1, "recipe": "none""#,
        ),
        (
            "bundle",
            r#"{"input": {"image": "x"}, "locked": "none", "output": "out",
                "packages": ["p"]"#,
        ),
        (
            "provision",
            r#"{"input": {"image": "x"}, "recipe": "none", "dryRun": true"#,
        ),
        (
            "customize",
            r#"{"input": {"image": "none", "asItIs": true},
                "dryRun": true, "diskSize": "1G""#,
        ),
    ] {
        let error = fails(operation, &format!("{request}}}"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        let error = fails(operation, &format!(r#"{request}, "nonsense": 1}}"#));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error:?}");
        assert!(error.to_string().contains("nonsense"), "{error}");
    }
}

#[test]
fn what_a_build_does_about_a_lock_is_one_thing() {
    for (more, word) in [
        (r#""lock": "a", "locked": "b""#, "only one"),
        (r#""locked": "a", "bundle": "b""#, "only one"),
        (r#""offline": true"#, "locked builds"),
        (r#""lock": "a", "packages": ["b"]"#, "locked builds"),
        (r#""from": "package", "until": "fetch""#, "cannot stop"),
        (r#""signPassword": "hunter2""#, "signKey"),
        (r#""signPassword": ["hunter2"]"#, "expected a string"),
    ] {
        let request = format!(
            r#"{{"input": {{"image": "x.qcow2"}}, "output": "out", {more}}}"#
        );
        for operation in ["plan", "build"] {
            let error = fails(operation, &request);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{more}");
            let text = format!("{error} {error:?}");
            assert!(text.contains(word), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn steps_are_checked_as_those_of_a_recipe() {
    let request = r#"{"input": {"image": "x"}, "steps": [{"instal": "a"}]}"#;
    let error = fails("customize", request);
    assert_eq!(error.kind(), ErrorKind::Recipe);
    assert!(error.to_string().contains("install"), "{error}");
}
