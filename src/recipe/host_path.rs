// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! The files of the host that a recipe names, and where it names them.

use super::node::Segment;
use super::{HostPath, Location, PackageSpec, Recipe, Repository, Step};

type Placed<'a> = (Vec<Segment>, &'a mut HostPath);

/// A field of the recipe, and the paths in it.
fn at<'a>(
    way: &[&str],
    paths: impl IntoIterator<Item = &'a mut HostPath>,
) -> Vec<Placed<'a>> {
    let way: Vec<Segment> = way.iter().copied().map(Segment::from).collect();
    let paths = paths.into_iter();
    paths.map(|path| (way.clone(), path)).collect()
}

/// The items of a list of the recipe, and the paths in each.
fn each<'a, T: 'a, P>(
    way: &[&str],
    items: impl IntoIterator<Item = &'a mut T>,
    paths_of: impl Fn(&'a mut T) -> P,
) -> Vec<Placed<'a>>
where
    P: IntoIterator<Item = &'a mut HostPath>,
{
    let mut placed = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        for (mut way, path) in at(way, paths_of(item)) {
            way.push(Segment::Index(index));
            placed.push((way, path));
        }
    }
    placed
}

fn location(location: Option<&mut Location>) -> Option<&mut HostPath> {
    location.and_then(Location::path_mut)
}

impl Recipe {
    /// In the order of the recipe.
    pub(super) fn placed_host_paths_mut(&mut self) -> Vec<Placed<'_>> {
        let mut placed = Vec::new();
        if let Some(source) = &mut self.source {
            for (field, found) in [
                ("image", Some(&mut source.image)),
                ("checksums", source.checksums.as_mut()),
                ("signature", source.signature.as_mut()),
                ("keyring", source.keyring.as_mut()),
            ] {
                placed.extend(at(&["source", field], location(found)));
            }
        }
        let packages = &mut self.packages;
        placed.extend(each(
            &["packages", "repositories"],
            &mut packages.repositories,
            Repository::key_file_mut,
        ));
        placed.extend(each(
            &["packages", "install"],
            &mut packages.install,
            PackageSpec::file_mut,
        ));
        if let Some(kubernetes) = &mut self.kubernetes {
            for (way, path) in kubernetes.host_paths_mut() {
                let section = Segment::from("kubernetes");
                placed.push(([section].into_iter().chain(way).collect(), path));
            }
        }
        if let Some(containerd) = &mut self.containerd {
            for (way, found) in [
                (["repository"].as_slice(), &mut containerd.repository),
                (&["runc", "repository"], &mut containerd.runc.repository),
            ] {
                let way = [&["containerd"], way].concat();
                placed.extend(at(&way, location(found.as_mut())));
            }
        }
        for (index, user) in self.users.iter_mut().enumerate() {
            for (field, path) in user.host_paths_mut() {
                let way = ["users".into(), index.into(), field.into()];
                placed.push((way.into(), path));
            }
        }
        for (index, file) in self.files.iter_mut().enumerate() {
            let way = ["files".into(), index.into(), "source".into()];
            placed.extend(file.source.as_mut().map(|path| (way.into(), path)));
        }
        placed.extend(each(&["steps"], &mut self.steps, Step::host_paths_mut));
        if let Some(verify) = &mut self.verify {
            placed.extend(each(&["verify", "goss"], &mut verify.goss, Some));
        }
        placed
    }
}
