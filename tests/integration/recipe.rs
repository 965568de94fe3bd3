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

/// `IMAGEWRIGHT_UPDATE=1` writes it anew.
#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/recipe.schema.json");
    let schema = Recipe::json_schema();
    if std::env::var_os("IMAGEWRIGHT_UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == schema,
        "docs/recipe.schema.json is stale: run this test with \
         IMAGEWRIGHT_UPDATE=1"
    );
}

/// Every field of the types is in the schema, and in the page for people.
#[test]
fn schema_and_page_know_every_section() {
    let schema: serde_json::Value =
        serde_json::from_str(&Recipe::json_schema()).unwrap();
    let docs = include_str!("../../docs/recipe.md");
    let sections = schema["properties"].as_object().unwrap();
    assert!(sections.len() > 15, "{}", sections.len());
    for section in sections.keys() {
        if !["apiVersion", "kind"].contains(&section.as_str()) {
            assert!(docs.contains(&format!("`{section}`")), "{section}");
        }
    }
    assert_eq!(schema["additionalProperties"], false);
}
