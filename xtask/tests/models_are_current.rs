use xtask::{codegen, workspace_root};

#[test]
fn models_are_what_codegen_writes() {
    if let Err(error) = codegen::check(&workspace_root()) {
        panic!("{error}");
    }
}
