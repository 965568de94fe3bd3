// SPDX-License-Identifier: Apache-2.0
//! Recipes as a user of the library meets them.

use std::fs;

use imagewright::ErrorKind;
use imagewright::recipe::Recipe;
use imagewright::source::FetchOptions;

#[test]
fn a_recipe_says_how_its_source_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.yaml");
    let text = "apiVersion: imagewright/v1alpha1
kind: NodeImage
source:
  image: base/a.img
  checksums: base/SHA256SUMS
  keyring: https://host/keys.gpg
";
    fs::write(&path, text).unwrap();
    let recipe = Recipe::load(&path).unwrap();
    let source = recipe.source.as_ref().unwrap();
    let options = FetchOptions::from_recipe(source).unwrap();
    let sums = dir.path().join("base/SHA256SUMS");
    assert_eq!(options.checksums.unwrap().path(), Some(&*sums));
    let keyring = options.keyring.unwrap();
    assert_eq!(keyring.to_string(), "https://host/keys.gpg");
    let error = recipe.check_host_files().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn an_error_names_file_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.yaml");
    let text = "apiVersion: imagewright/v1alpha1
kind: NodeImage
packages:
  instal: [containerd]
";
    fs::write(&path, text).unwrap();
    let error = Recipe::load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    let expected = format!(
        "{}:4:3: unknown field `instal` in packages; did you mean `install`?",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}
