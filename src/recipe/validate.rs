// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! What the types of a recipe cannot say: relations between fields.

use std::collections::HashSet;

use super::Recipe;
use super::node::Segment;
use super::package::{PackageSpec, Packages};
use super::repository::Repository;

/// A complaint about the value at `path`.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) path: Vec<Segment>,
    pub(super) message: String,
}

type Check = Result<(), Problem>;

macro_rules! path {
    ($($segment:expr),* $(,)?) => { vec![$(Segment::from($segment)),*] };
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

fn problem(path: Vec<Segment>, message: impl Into<String>) -> Problem {
    Problem {
        path,
        message: message.into(),
    }
}

/// Checks everything that needs no file of the host.
pub(super) fn validate(recipe: &Recipe) -> Check {
    if let Some(name) = &recipe.metadata.name {
        check_file_name(name, || path!["metadata", "name"])?;
    }
    check_packages(&recipe.packages)?;
    check_node(recipe)?;
    check_files(recipe)?;
    check_proxy(recipe)?;
    check_sysprep(recipe)?;
    check_artifacts(recipe)
}

/// A name we put into file names, ours and the image's.
pub(super) fn file_name(name: &str) -> Result<(), String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    if name.is_empty()
        || name.len() > 200
        || name.starts_with(['.', '-'])
        || !name.chars().all(known)
    {
        return Err(format!(
            "`{}` is not a name of letters, digits, `-`, `_`, `.`, `+`",
            name.escape_debug()
        ));
    }
    Ok(())
}

fn check_file_name(name: &str, path: impl Fn() -> Vec<Segment>) -> Check {
    file_name(name).map_err(|message| problem(path(), message))
}

/// Fails at the second of two equal keys.
fn check_unique<K: std::hash::Hash + Eq + std::fmt::Display>(
    keys: impl Iterator<Item = K>,
    path: impl Fn(usize) -> Vec<Segment>,
) -> Check {
    let mut seen = HashSet::new();
    for (index, key) in keys.enumerate() {
        if seen.contains(&key) {
            let message = format!("`{key}` is in the list already");
            return Err(problem(path(index), message));
        }
        seen.insert(key);
    }
    Ok(())
}

fn check_packages(packages: &Packages) -> Check {
    for (index, repository) in packages.repositories.iter().enumerate() {
        check_repository(repository, index)?;
    }
    check_unique(packages.repositories.iter().map(|r| &r.name), |index| {
        path!["packages", "repositories", index, "name"]
    })?;
    let name = |spec: &PackageSpec| match spec {
        PackageSpec::Named { name, .. } => name.to_string(),
        PackageSpec::File(path) => path.to_string(),
    };
    check_unique(packages.install.iter().map(name), |index| {
        path!["packages", "install", index]
    })?;
    check_unique(packages.remove.iter(), |index| {
        path!["packages", "remove", index]
    })?;
    for (index, removed) in packages.remove.iter().enumerate() {
        if packages.install.iter().any(|i| name(i) == removed.as_str()) {
            return Err(problem(
                path!["packages", "remove", index],
                format!("`{removed}` is installed by the same recipe"),
            ));
        }
    }
    Ok(())
}

fn check_repository(repository: &Repository, index: usize) -> Check {
    let at = |field: &str| path!["packages", "repositories", index, field];
    check_file_name(&repository.name, || at("name"))?;
    repository
        .check()
        .map_err(|(field, message)| problem(at(field), message))
}

/// The sections that make a node of the image.
fn check_node(recipe: &Recipe) -> Check {
    if let Some(kubernetes) = &recipe.kubernetes {
        kubernetes.check().map_err(|(field, message)| {
            problem(path!["kubernetes", field], message)
        })?;
    }
    if let Some(containerd) = &recipe.containerd {
        containerd.check().map_err(|(field, message)| {
            problem(path!["containerd", field], message)
        })?;
    }
    let images = recipe.kubernetes.as_ref().map(|k| &k.images);
    let runtime = recipe.containerd.as_ref();
    let has_images = images.is_some_and(|images| !images.is_empty());
    if has_images && runtime.is_none() {
        return Err(problem(
            path!["kubernetes", "images"],
            "images are for containerd: say `containerd: {}`, with `source: \
             none` if the image has it, or `images: {preload: false}`",
        ));
    }
    for (index, user) in recipe.users.iter().enumerate() {
        user.steps()
            .map_err(|error| problem(path!["users", index], error.message()))?;
    }
    check_unique(recipe.users.iter().map(|user| &user.name), |index| {
        path!["users", index, "name"]
    })?;
    match &recipe.cloud_init.config {
        Some(text) if !super::node::is_mapping(text) => Err(problem(
            path!["cloudInit", "config"],
            "is not a mapping in YAML",
        )),
        _ => Ok(()),
    }
}

fn check_files(recipe: &Recipe) -> Check {
    for (index, file) in recipe.files.iter().enumerate() {
        let message = match (&file.content, &file.source) {
            (Some(_), Some(_)) => "has both `content` and `source`",
            (None, None) => "needs `content` or `source`",
            _ => continue,
        };
        return Err(problem(path!["files", index], message));
    }
    check_unique(recipe.files.iter().map(|file| &file.path), |index| {
        path!["files", index, "path"]
    })
}

fn check_proxy(recipe: &Recipe) -> Check {
    let proxies =
        [("http", &recipe.proxy.http), ("https", &recipe.proxy.https)];
    for (field, proxy) in proxies {
        let Some(proxy) = proxy else { continue };
        let known = ["http://", "https://"];
        let blank = |c: char| c.is_whitespace() || c.is_control();
        if !known.iter().any(|known| proxy.starts_with(known))
            || proxy.contains(blank)
        {
            return Err(problem(
                path!["proxy", field],
                "not a URL such as `http://proxy:3128`",
            ));
        }
    }
    Ok(())
}

fn check_sysprep(recipe: &Recipe) -> Check {
    let sysprep = &recipe.sysprep;
    let both = sysprep
        .disable
        .iter()
        .position(|name| sysprep.enable.contains(name));
    match both {
        None => Ok(()),
        Some(index) => Err(problem(
            path!["sysprep", "disable", index],
            format!("`{}` is enabled, too", sysprep.disable[index]),
        )),
    }
}

fn check_artifacts(recipe: &Recipe) -> Check {
    for (index, artifact) in recipe.artifacts.iter().enumerate() {
        if let Some(name) = &artifact.name {
            check_file_name(name, || path!["artifacts", index, "name"])?;
        }
    }
    let key = |artifact: &super::Artifact| match &artifact.name {
        Some(name) => name.clone(),
        None => artifact.format.clone(),
    };
    check_unique(recipe.artifacts.iter().map(key), |index| {
        path!["artifacts", index]
    })?;
    let formats = recipe.sbom.iter().map(|bill| bill.format.to_string());
    check_unique(formats, |index| path!["sbom", index])
}
