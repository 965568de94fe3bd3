// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Two tables of subjects, compared.

use std::collections::BTreeMap;

use super::{Change, Finding};

/// What is known of a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fact {
    /// What may be shown.
    pub(super) shown: String,
    /// What is compared besides, and never shown.
    pub(super) hidden: String,
}

impl From<String> for Fact {
    fn from(shown: String) -> Self {
        Self {
            shown,
            hidden: String::new(),
        }
    }
}

/// Facts by subject.
pub(super) type Table = BTreeMap<String, Fact>;

/// How `after` differs from `before`.
pub(super) fn compare(before: &Table, after: &Table) -> Vec<Finding> {
    let shown = |fact: Option<&Fact>| {
        fact.map(|fact| fact.shown.clone())
            .filter(|text| !text.is_empty())
    };
    let mut subjects: Vec<&String> =
        before.keys().chain(after.keys()).collect();
    subjects.sort();
    subjects.dedup();
    let mut findings = Vec::new();
    for subject in subjects {
        let (old, new) = (before.get(subject), after.get(subject));
        let change = match (old, new) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (old, new) if old == new => continue,
            _ => Change::Changed,
        };
        findings.push(Finding {
            before: shown(old),
            after: shown(new),
            ..Finding::new(change, subject)
        });
    }
    findings
}
