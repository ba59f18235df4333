//! Environments by the thousand: when they have ended nothing of them is left, also when the server is killed
//! half-way and another one takes over.
//!
//! This program is the test, the server that is killed, and the function that the server runs. How many environments
//! there are is said by `KOBEL_LEAK_ENVIRONMENTS`; `make leaks` makes 20,000.

#[cfg(target_os = "linux")]
mod churn;
#[cfg(target_os = "linux")]
mod function;
#[cfg(target_os = "linux")]
mod test;
#[cfg(target_os = "linux")]
mod traces;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    if let Some(api) = std::env::var_os("AWS_LAMBDA_RUNTIME_API") {
        return function::run(&api.to_string_lossy());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |argument: &str| arguments.iter().any(|given| given == argument);
    match arguments.as_slice() {
        [role, dir, count] if role == "serve" => churn::serve(dir.into(), count.parse().expect("a number")),
        // Test runners ask for the names first, and for those of ignored tests.
        _ if has("--list") && has("--ignored") => {}
        _ if has("--list") => println!("nothing_is_left_behind: test"),
        _ => {
            test::nothing_is_left_behind();
            println!("nothing_is_left_behind ... ok");
        }
    }
}
