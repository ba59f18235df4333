//! What every driver must do, run against each.

#![allow(clippy::unwrap_used)]

mod bench;
#[cfg(target_os = "linux")]
mod boundary;
mod custom;
mod java;
mod life;
mod limits;
mod nodejs;
mod python;

/// Runs each case with each driver.
macro_rules! contract {
    ($($module:ident: $($case:ident),+;)+) => {
        mod namespaces {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() { crate::$module::$case(sandbox::Isolation::Namespaces).await }
            )+ })+
        }
        mod process {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() { crate::$module::$case(sandbox::Isolation::Process).await }
            )+ })+
        }
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
        reports_errors_as_lambda_does;
    custom:
        serves_the_runtime_api,
        refuses_calls_out_of_turn,
        needs_a_bootstrap;
    life:
        kills_on_timeout_and_keeps_the_output,
        times_out_during_init,
        reports_exits,
        freezes_and_thaws,
        reaches_the_endpoint,
        gives_the_environment_of_lambda,
        dropping_an_invocation_kills;
    limits:
        kills_when_memory_is_exceeded;
}
