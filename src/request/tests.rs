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
