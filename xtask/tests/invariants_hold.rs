use xtask::{tidy, workspace_root};

#[test]
fn the_architecture_is_kept() {
    if let Err(error) = tidy::check(&workspace_root()) {
        panic!("{error}");
    }
}
