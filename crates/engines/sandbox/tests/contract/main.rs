//! What every driver must do, run against each.

#![allow(clippy::unwrap_used)]

mod bench;
#[cfg(target_os = "linux")]
mod boundary;
#[cfg(target_os = "linux")]
mod classes;
mod custom;
mod dotnet;
#[cfg(target_os = "linux")]
mod extensions;
mod image;
mod java;
mod life;
mod limits;
#[cfg(target_os = "linux")]
mod microvm;
#[cfg(target_os = "linux")]
mod network;
mod nodejs;
mod python;
mod ruby;
#[cfg(target_os = "linux")]
mod sdk;
#[cfg(target_os = "linux")]
mod stem;
mod streaming;
#[cfg(target_os = "linux")]
mod template;

/// Runs each case of modules with a driver, in a module of that name.
macro_rules! cases {
    ($name:ident, $isolation:ident; $($module:ident: $($case:ident),+;)+) => {
        mod $name {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() { crate::$module::$case(sandbox::Isolation::$isolation).await }
            )+ })+
        }
    };
}

/// Runs each case with each driver.
macro_rules! contract {
    ($($cases:tt)+) => {
        cases! { namespaces, Namespaces; $($cases)+ }
        cases! { process, Process; $($cases)+ }
    };
}

contract! {
    python:
        answers_with_the_handlers_result,
        reports_errors_as_lambda_does,
        reports_what_cannot_be_loaded,
        loads_nested_modules_and_layers,
        logs_as_lambda_does,
        gives_the_context,
        refuses_what_is_no_json_or_too_large;
    nodejs:
        runs_every_style_of_handler,
        reports_errors_as_lambda_does,
        reports_what_cannot_be_loaded,
        logs_as_lambda_does,
        ends_on_an_unhandled_rejection;
    java:
        runs_every_style_of_handler,
        runs_the_hooks_of_snapshots,
        reports_errors_as_lambda_does;
    ruby:
        runs_every_style_of_handler,
        gives_the_context,
        reports_errors_as_lambda_does,
        reports_what_cannot_be_loaded,
        loads_gems_of_the_package_and_of_layers,
        logs_as_lambda_does,
        threads_left_behind_do_no_harm;
    dotnet:
        runs_every_style_of_handler,
        needs_nothing_of_a_package_of_streams,
        runs_executable_assemblies,
        gives_the_context,
        reports_errors_as_lambda_does,
        reports_what_cannot_be_loaded,
        logs_as_lambda_does;
    custom:
        serves_the_runtime_api,
        refuses_calls_out_of_turn,
        needs_a_bootstrap;
    image:
        runs_an_image_on_its_own_root,
        names_what_an_image_lacks;
    streaming:
        chunks_come_before_the_function_ends,
        collects_a_stream_for_a_plain_invocation,
        errors_mid_stream_are_told_by_trailers,
        a_stream_ends_with_its_function,
        a_stream_has_its_limit,
        the_function_goes_on_when_nobody_reads,
        refuses_an_unknown_response_mode,
        node_streams_what_a_handler_writes,
        node_tells_errors_of_a_stream,
        node_is_held_back_and_limited;
    life:
        kills_on_timeout_and_keeps_the_output,
        times_out_during_init,
        reports_exits,
        knows_that_it_died_idle,
        freezes_and_thaws,
        reaches_the_endpoint,
        gives_the_environment_of_lambda,
        dropping_an_invocation_kills;
    limits:
        kills_when_memory_is_exceeded;
}

// What is done once more in virtual machines: of each kind of conversation one case, and the limits.
#[cfg(target_os = "linux")]
cases! {
    machines, MicroVm;
    custom: serves_the_runtime_api;
    image: runs_an_image_on_its_own_root;
    limits: kills_when_memory_is_exceeded;
}

// What the namespaces driver alone does.
#[cfg(target_os = "linux")]
cases! {
    alone, Namespaces;
    stem: python_is_like_any_other,
    nodejs_is_like_any_other,
    ruby_is_like_any_other,
    nothing_random_is_shared,
    exits_are_reported,
    a_function_that_sets_up_its_interpreter_boots_it;
    extensions: live_beside_the_runtime,
    outlive_the_runtime,
    that_end_are_failures,
    that_do_not_leave_are_killed;
    image: starts_the_extensions_of_an_image;
    sdk: python_functions_find_the_sdk_loaded_and_like_any_other,
    python_functions_with_another_sdk_or_none_do_without,
    nodejs_functions_find_the_sdk_loaded_and_like_any_other;
    classes: an_archive_changes_nothing_but_time,
    an_archive_has_the_classes_of_the_function_and_its_libraries,
    a_function_that_chooses_its_own_archive_gets_none;
    template: forks_have_what_init_made_and_nothing_else_in_common,
    forks_are_like_any_other,
    nodejs_is_forked_with_its_modules_and_threads,
    nodejs_that_cannot_be_forked_says_why,
    what_cannot_be_forked_says_why,
    hooks_that_fail_are_init_errors,
    hostile_templates_harm_nobody_else,
    environments_outlive_the_handle_of_their_template;
    network: the_outside_answers_at_its_own_address,
    failures_are_those_of_the_host,
    datagrams_and_names_are_answered,
    each_environment_reaches_what_it_may;
}

/// The namespaces driver needs no root: the same contract holds for a user without any privilege.
#[cfg(target_os = "linux")]
#[test]
fn unprivileged_users_have_the_same_contract() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::Command;

    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        // Then this whole run is the proof.
        assert!(std::env::current_exe().unwrap().exists());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (suite, launcher) = (dir.path().join("suite"), dir.path().join("launcher"));
    std::fs::copy(std::env::current_exe().unwrap(), &suite).unwrap();
    std::fs::copy(bench::launcher(), &launcher).unwrap();
    let dotnet = dir.path().join("dotnet");
    let copied = Command::new("cp").arg("-r").arg(dotnet::runtime_dir()).arg(&dotnet).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&suite).args([
        "namespaces::",
        "boundary::",
        "alone::",
    ]);
    command
        .env("KOBEL_TEST_LAUNCHER", &launcher)
        .env("KOBEL_TEST_DOTNET", &dotnet)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent");
    let output = command.env_remove("JAVA_HOME").env_remove("PYENV_ROOT").current_dir("/").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("namespaces::python::answers_with_the_handlers_result ... ok"), "{text}");
}
