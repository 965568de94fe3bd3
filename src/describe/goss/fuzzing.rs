// SPDX-License-Identifier: Apache-2.0
//! A way for the fuzz targets to the matchers.

use serde_json::{Value, json};

use super::GossFile;
use super::matcher::{Actual, Verdict, judge};

/// Holds what is in an image, `actual`, against every attribute of a file.
///
/// # Panics
/// When a thing is as it is to be and its opposite is, too.
pub fn judge_all(file: &GossFile, actual: &str) {
    let lines: Vec<&str> = actual.lines().collect();
    let all = [
        Actual::Text(actual.to_owned()),
        Actual::Value(Value::from(actual)),
        Actual::Value(Value::from(lines)),
        Actual::Value(Value::from(actual.len())),
    ];
    for resource in &file.resources {
        let _ = (resource.title("x"), resource.path());
        for wanted in resource.attributes.values() {
            for actual in &all {
                let opposite = judge(actual, &json!({ "not": wanted }));
                match judge(actual, wanted) {
                    Verdict::Holds => {
                        assert!(matches!(opposite, Verdict::Fails(_)));
                    }
                    Verdict::Fails(_) => {
                        assert_eq!(opposite, Verdict::Holds);
                    }
                    Verdict::Unknown(_) => {
                        assert!(matches!(opposite, Verdict::Unknown(_)));
                    }
                }
            }
        }
    }
}
