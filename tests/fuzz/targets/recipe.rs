// SPDX-License-Identifier: Apache-2.0
//! A recipe; one that is accepted can be written and read again.
#![no_main]

use imagewright::recipe::Recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Recipe::parse(text, "recipe.yaml") {
        Ok(recipe) => {
            let _ = recipe.digest();
        }
        Err(error) => {
            let _ = error.to_string();
        }
    }
});
