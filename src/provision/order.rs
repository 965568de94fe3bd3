// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The tasks that a recipe's steps stand for, in the order of the work.

use std::fs;

use super::Task;
use crate::error::{Context, Error, Result};
use crate::recipe::{HostPath, Recipe, Step};

/// A file of operations may name another one; itself, too.
const MAX_DEPTH: usize = 16;

/// Whether it sets a password.
pub(super) fn is_password(step: &Step) -> bool {
    matches!(step, Step::Password { .. } | Step::RootPassword(_))
}

/// The steps in order, files of operations replaced by what they say, and
/// passwords last, `others` first: a later step may add the user. Package lists are read anew
/// before the first step that needs them, unless the recipe forbids it.
pub(super) fn step_tasks(
    recipe: &Recipe,
    others: Vec<Step>,
) -> Result<Vec<Task>> {
    let mut steps = Vec::new();
    for step in &recipe.steps {
        expand(step, 0, &mut steps)?;
    }
    let (passwords, steps): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(is_password);
    let packages = &recipe.packages;
    let mut fresh = packages.needs_update() || packages.update == Some(false);
    let mut tasks = Vec::new();
    for step in steps {
        match step {
            Step::Install(_) | Step::Update if !fresh => {
                tasks.push(Task::Refresh);
                fresh = true;
            }
            Step::Repository(_) => fresh = packages.update == Some(false),
            _ => {}
        }
        tasks.push(Task::Step(step));
    }
    let passwords = others.into_iter().chain(passwords);
    tasks.extend(passwords.map(Task::Step));
    Ok(tasks)
}

fn expand(step: &Step, depth: usize, steps: &mut Vec<Step>) -> Result<()> {
    let Step::CommandsFromFile(file) = step else {
        steps.push(step.clone());
        return Ok(());
    };
    if depth >= MAX_DEPTH {
        return Err(Error::invalid("files of operations nested too deep")
            .at(file.as_path()));
    }
    for step in read(file)? {
        expand(&step, depth + 1, steps)?;
    }
    Ok(())
}

fn read(file: &HostPath) -> Result<Vec<Step>> {
    let path = file.as_path();
    let text = fs::read_to_string(path)
        .during("reading a file of operations")
        .at(path)?;
    Step::parse_commands(&text).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(steps: &[(&str, &str)], update: Option<bool>) -> Vec<String> {
        let mut recipe = Recipe::default();
        recipe.packages.update = update;
        for (name, argument) in steps {
            recipe.steps.push(Step::parse(name, argument).unwrap());
        }
        let tasks = step_tasks(&recipe, Vec::new()).unwrap();
        tasks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_are_fresh_and_passwords_last() {
        let steps = [
            ("root-password", "password:hunter2"),
            ("install", "a"),
            ("install", "b"),
            ("repository", "r https://r/ /"),
            ("install", "c"),
        ];
        let refresh = "refresh package lists";
        let last = "root-password [secret]";
        assert_eq!(
            planned(&steps, None),
            [
                refresh,
                "install a",
                "install b",
                "repository r https://r/ /",
                refresh,
                "install c",
                last
            ]
        );
        let never = planned(&steps, Some(false));
        assert!(!never.contains(&refresh.to_owned()), "{never:?}");
    }

    #[test]
    fn files_of_operations_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ops");
        fs::write(&file, "touch /a\n# no\npassword x:random\ntouch /b\n")
            .unwrap();
        let file = file.to_str().unwrap();
        let steps = [("commands-from-file", file), ("touch", "/c")];
        assert_eq!(
            planned(&steps, None),
            ["touch /a", "touch /b", "touch /c", "password x:random"]
        );
        let itself = format!("commands-from-file {file}\n");
        fs::write(file, itself).unwrap();
        let recipe = Recipe {
            steps: vec![Step::parse("commands-from-file", file).unwrap()],
            ..Recipe::default()
        };
        let error = step_tasks(&recipe, Vec::new()).unwrap_err();
        assert!(error.to_string().contains("too deep"), "{error}");
    }
}
