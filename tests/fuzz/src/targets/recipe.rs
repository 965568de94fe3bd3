// SPDX-License-Identifier: Apache-2.0
//! A recipe; one that is accepted can be written and read again.

use imagewright::recipe::Recipe;

/// Runs one input.
pub fn run(data: &[u8]) {
    let text = &String::from_utf8_lossy(data);
    match Recipe::parse(text, "recipe.yaml") {
        Ok(recipe) => {
            let _ = recipe.digest();
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
}
