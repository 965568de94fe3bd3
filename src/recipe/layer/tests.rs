// SPDX-License-Identifier: Apache-2.0
//! Recipes on top of one another.

use super::*;
use crate::error::ErrorKind;
use crate::recipe::{Hold, Preset};

const HEAD: &str = "apiVersion: imagewright/v1alpha1\nkind: NodeImage\n";

fn layers(texts: &[&str]) -> RecipeLayers {
    let mut layers = RecipeLayers::new();
    for (number, text) in texts.iter().enumerate() {
        let text = format!("{HEAD}{text}");
        layers = layers.text(&text, &format!("{number}.yaml")).unwrap();
    }
    layers
}

fn recipe(texts: &[&str]) -> Recipe {
    layers(texts).finish().unwrap()
}

fn error(layers: Result<RecipeLayers>) -> String {
    let error = layers.and_then(RecipeLayers::finish).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    error.to_string()
}

#[test]
fn mappings_merge_lists_grow_values_go_before() {
    let recipe = recipe(&[
        "disk: {size: 10G}\npackages: {install: [a, b], hold: all}\n\
         steps: [update, {touch: /a}]\n",
        "disk: {size: 20G}\npackages: {install: [b, c], upgrade: true}\n\
         steps: [update]\nmetadata: {name: x}\n",
    ]);
    assert_eq!(recipe.disk.size.unwrap().bytes(), 20 << 30);
    let names: Vec<_> = recipe
        .packages
        .install
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(recipe.packages.upgrade);
    assert_eq!(recipe.packages.hold, Hold::All);
    let steps: Vec<_> = recipe.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["update", "touch /a", "update"]);
}

#[test]
fn null_takes_away_what_is_below() {
    let recipe = recipe(&["packages: {install: [a]}\n", "packages:\n"]);
    assert!(recipe.packages.is_empty());
}

#[test]
fn fields_are_set() {
    let text = "files: [{path: /a, content: x}, {path: /b, content: y}]\n\
        packages: {install: [a]}\n";
    let recipe = layers(&[text])
        .set("files[1].mode=0600")
        .and_then(|l| l.set("packages.install=[b, c]"))
        .and_then(|l| l.set("kernel.sysctl.\"vm.swappiness\"=10"))
        .and_then(|l| l.set("metadata.name=n=1"))
        .and_then(|l| l.set("metadata.name="))
        .and_then(RecipeLayers::finish)
        .unwrap();
    assert_eq!(recipe.files[1].mode.unwrap().bits(), 0o600);
    assert_eq!(recipe.packages.install.len(), 2);
    assert_eq!(recipe.metadata.name, None);
    let (key, value) = recipe.kernel.sysctl.iter().next().unwrap();
    assert_eq!(key.as_str(), "vm.swappiness");
    assert_eq!(value.as_ref().unwrap().as_str(), "10");
}

#[test]
fn what_cannot_be_set() {
    for (assignment, expected) in [
        ("disk", "is not FIELD=VALUE"),
        ("=1", "is not FIELD=VALUE"),
        ("a..b=1", "is not FIELD=VALUE"),
        ("a[x]=1", "is not FIELD=VALUE"),
        ("files[0].mode=1", "not a list"),
        ("steps[1]=update", "the list has 1 items"),
        (
            "disk.sice=1G",
            "unknown field `sice` in disk; did you mean `size`?",
        ),
        ("disk.size=[", "--set disk.size=[:1:"),
    ] {
        let error = error(layers(&["steps: [update]\n"]).set(assignment));
        assert!(error.contains(expected), "{assignment}: {error}");
    }
}

#[test]
fn one_field_is_a_recipe() {
    let recipe = RecipeLayers::new()
        .set("kubernetes.version=1.33.2")
        .and_then(RecipeLayers::finish)
        .unwrap();
    assert_eq!(recipe.kubernetes.unwrap().version.as_str(), "1.33.2");
    assert!(recipe.containerd.is_some());
    assert_eq!(RecipeLayers::new().finish().unwrap(), Recipe::default());
}

#[test]
fn a_mistake_is_where_it_is() {
    let below = format!("{HEAD}disk: {{size: 1G}}\n");
    let over = format!("{HEAD}disk:\n  sise: 1G\n");
    let both = RecipeLayers::new()
        .text(&below, "base.yaml")
        .and_then(|l| l.text(&over, "over.yaml"));
    let said = error(both);
    assert!(said.starts_with("over.yaml:4:3: unknown field"), "{said}");
    let old = RecipeLayers::new()
        .text("apiVersion: imagewright/v2\nkind: NodeImage\n", "old.yaml");
    assert!(error(old).starts_with("old.yaml:1:13"));
}

#[test]
fn presets_lie_beneath() {
    let with = recipe(&["kubernetes: {version: 1.33.2}\n\
        kernel: {sysctl: {kernel.panic: 5, vm.overcommit_memory: }}\n"]);
    assert_eq!(with.packages.hold, Hold::Kubernetes);
    assert_eq!(with.kernel.swap, Some(false));
    let sysctl = |recipe: &Recipe, name: &str| {
        let found = recipe.kernel.sysctl.get(&name.parse().unwrap());
        found.map(|value| value.as_ref().map(ToString::to_string))
    };
    assert_eq!(sysctl(&with, "kernel.panic"), Some(Some("5".into())));
    assert_eq!(sysctl(&with, "net.ipv4.ip_forward"), Some(Some("1".into())));
    assert_eq!(sysctl(&with, "vm.overcommit_memory"), Some(None));
    let json = serde_json::to_string(&with).unwrap();
    assert_eq!(Recipe::parse(&json, "r").unwrap(), with);

    let without =
        recipe(&["presets: []\nkubernetes: {version: 1.33.2, images: \
        {preload: false}}\n"]);
    assert!(without.containerd.is_none());
    let alone = recipe(&["presets: [kubernetes]\n"]);
    assert_eq!(alone.kernel.swap, Some(false));
    assert!(alone.kubernetes.is_none());
    let said = error(Ok(layers(&["presets: [kubernete]\n"])));
    assert_eq!(
        said,
        "0.yaml:3:11: unknown preset `kubernete`; did you mean `kubernetes`?"
    );
}

#[test]
fn every_preset_is_a_recipe() {
    for preset in Preset::ALL {
        let text = format!("{HEAD}{}", preset.text);
        Recipe::parse(&text, preset.name).unwrap();
    }
}

#[test]
fn paths_are_of_the_recipe_that_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{HEAD}{text}")).unwrap();
        path
    };
    let below = write(
        "base/a.yaml",
        "kubernetes:\n  version: 1.33.2\n  images: {archives: [one.tar]}\n\
         users: [{name: me, sshKeys: [me.pub]}]\nsteps: [{run: a.sh}]\n",
    );
    let over = write(
        "site/b.yaml",
        "kubernetes: {key: keys/k.asc, images: {archives: [two.tar]}}\n\
         steps: [{run: b.sh}]\n",
    );
    let recipe = RecipeLayers::new()
        .file(&below)
        .and_then(|l| l.file(&over))
        .and_then(|l| l.set("users[0].password=file:secret"))
        .and_then(|l| l.set("kubernetes.repository=https://h/deb/"))
        .and_then(|l| l.set("kubernetes.source=packages"))
        .and_then(RecipeLayers::finish)
        .unwrap();
    let paths: Vec<_> = recipe
        .host_paths()
        .iter()
        .map(|path| {
            path.as_path().strip_prefix(dir.path()).map_or_else(
                |_| path.as_path().display().to_string(),
                |path| path.display().to_string(),
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            "site/keys/k.asc",
            "base/one.tar",
            "site/two.tar",
            "base/me.pub",
            "secret",
            "base/a.sh",
            "site/b.sh",
        ]
    );
}

#[test]
fn presets_come_besides_those_of_the_recipe() {
    let load = |names: &[&str], text: &str| {
        let mut layers = RecipeLayers::new();
        if !text.is_empty() {
            let head = "apiVersion: imagewright/v1alpha1\nkind: NodeImage\n";
            layers = layers.text(&format!("{head}{text}"), "r").unwrap();
        }
        for name in names {
            layers = layers.preset(name)?;
        }
        layers.finish()
    };
    let both = load(&["openstack"], "kubernetes: {version: 1.33.2}").unwrap();
    let sources = &both.cloud_init.datasources;
    assert_eq!(sources[0].as_str(), "ConfigDrive");
    assert!(both.containerd.is_some() && both.verify.is_some());
    // Its own words go before those of any preset.
    let own = "cloudInit: {datasources: [NoCloud]}\npresets: []";
    let own = load(&["serial-console"], own).unwrap();
    assert_eq!(own.cloud_init.datasources.len(), 1);
    assert!(own.kernel.cmdline.is_some());
    let none = load(&["quiet"], "").unwrap();
    assert_eq!(none.units.mask.len(), 5);
    let error = load(&["openstak"], "").unwrap_err().to_string();
    assert!(error.contains("did you mean `openstack`?"), "{error}");
}

#[test]
fn every_preset_is_a_good_recipe() {
    for preset in crate::recipe::Preset::ALL {
        let layers = RecipeLayers::new().preset(preset.name).unwrap();
        let layers = match preset.name {
            // It lies beneath a version.
            "kubernetes" => layers.set("kubernetes.version=1.33.2").unwrap(),
            _ => layers,
        };
        let recipe = layers.finish().unwrap();
        assert_ne!(recipe, Recipe::default(), "{}", preset.name);
    }
}
