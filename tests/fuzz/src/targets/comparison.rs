// SPDX-License-Identifier: Apache-2.0
//! Two images compared: of each file two versions, one after the other.

use imagewright::describe::diff::is_newer;
use imagewright::describe::fuzzing::comparison;

use crate::{Files, group, parts};

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((paths, data)) = group(data) else {
        return;
    };
    let before = Files::new(paths, parts(data).step_by(2));
    let after = Files::new(paths, parts(data).skip(1).step_by(2));
    if let Ok(report) = comparison(&before, &after) {
        let other =
            comparison(&after, &before).expect("as the other way round");
        assert_eq!(report.identical, other.identical);
        let none = comparison(&before, &before).expect("as before");
        assert!(none.identical, "{none:?}");
    }
    let text = String::from_utf8_lossy(data);
    let versions: Vec<&str> = text.split_whitespace().take(3).collect();
    for a in &versions {
        for b in &versions {
            assert!(!(is_newer(a, b) && is_newer(b, a)), "{a} {b}");
            for c in &versions {
                let chain = is_newer(a, b) && is_newer(b, c);
                assert!(!chain || is_newer(a, c), "{a} {b} {c}");
            }
        }
    }
}
