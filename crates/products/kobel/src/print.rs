use anstyle::{AnsiColor, Color, Style};
use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// Colours for functions, so that each one's lines are told apart.
const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Magenta, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::BrightCyan];

/// Kobel's own log goes to standard error: warnings and errors, or what `KOBEL_LOG` says.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("KOBEL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// One line on standard error that says what went wrong and what to do.
pub fn error(message: &str) {
    let style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
    eprintln!("{}: {message}", painted("error", style, std::io::stderr().is_terminal()));
}

/// A line of progress.
pub fn step(what: &str, detail: &str) {
    let style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green)));
    let what = painted(&format!("{what:>10}"), style, std::io::stdout().is_terminal());
    line(&format!("{what} {detail}"));
}

/// An event of a function's log, in the function's colour; each of its lines names the function.
pub fn log_event(function: &str, width: usize, message: &str) {
    let colour = COLOURS[function.bytes().map(usize::from).sum::<usize>() % COLOURS.len()];
    let style = Style::new().fg_color(Some(Color::Ansi(colour)));
    let name = painted(&format!("{function:>width$}"), style, std::io::stdout().is_terminal());
    message.trim_end().lines().for_each(|text| line(&format!("{name} | {text}")));
}

/// What is deployed now: its outputs, each with its description.
pub fn deployed(stack: &str, changed: bool, outputs: &[(String, String, String)]) {
    step("Deployed", &format!("the stack {stack}{}", if changed { "" } else { ", which needed no change" }));
    for (key, value, description) in outputs {
        line(&format!("  {key} = {value}  {}", dim(description)));
    }
}

/// Text of less weight.
pub fn dim(text: &str) -> String {
    painted(text, Style::new().dimmed(), std::io::stdout().is_terminal())
}

/// Good or bad, in green or red.
pub fn verdict(text: &str, good: bool) -> String {
    let colour = if good { AnsiColor::Green } else { AnsiColor::Red };
    painted(text, Style::new().fg_color(Some(Color::Ansi(colour))), std::io::stdout().is_terminal())
}

/// Prints a line; whoever reads may have gone.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn painted(text: &str, style: Style, colours: bool) -> String {
    if colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
}
