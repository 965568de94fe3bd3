// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! Files of operations, for `commands-from-file`.
//!
//! One operation and its argument a line; empty lines and lines that begin
//! with `#` are skipped; a `\` at the end continues the line, whose indent is
//! dropped.

use super::Step;
use crate::error::{Context, Error, Result};

impl Step {
    /// The steps in a file of operations.
    ///
    /// # Errors
    /// `InvalidArgument` with the number of the line.
    pub fn parse_commands(text: &str) -> Result<Vec<Self>> {
        let mut steps = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let mut line = line.trim_start().to_owned();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            while line.ends_with('\\') {
                line.pop();
                let Some((_, next)) = lines.next() else {
                    return Err(Error::invalid("the last line ends in a `\\`"));
                };
                line.push_str(next.trim_start());
            }
            let (name, argument) = match line.split_once([' ', '\t']) {
                Some((name, argument)) => (name, argument.trim_start()),
                None => (line.as_str(), ""),
            };
            let step = Self::parse(name, argument)
                .during(format!("line {}", number + 1))?;
            steps.push(step);
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_continuations() {
        let text = "# x\n\ninstall a,b\nedit /f:\\\n   s/a/b/\nupdate\n";
        let steps = Step::parse_commands(text).unwrap();
        let shown: Vec<_> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["install a,b", "edit /f:s/a/b/", "update"]);
        let error = Step::parse_commands("update\n\nfrob x\n").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
        let error = Step::parse_commands("touch \\").unwrap_err();
        assert!(error.to_string().contains("ends in"), "{error}");
    }
}
