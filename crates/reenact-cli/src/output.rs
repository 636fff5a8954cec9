//! What a command prints, and with which code it ends.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Fine = 0,
    /// A divergence or damage was found, or the work failed.
    Diverged = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// Nothing can be said: a file, a module or a limit is in the way.
    CannotTell = 125,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) struct Fault {
    exit: Exit,
    error: anyhow::Error,
}

impl Fault {
    /// The arguments make no sense.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }

    /// What was to be used is damaged.
    pub(crate) fn damage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Diverged, error: error.into() }
    }

    /// The error and what it came from, in one line.
    fn message(&self) -> String {
        format!("{:#}", self.error)
    }
}

/// Whatever is not said to be otherwise is in the way of saying anything.
impl<E: Into<anyhow::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { exit: Exit::CannotTell, error: error.into() }
    }
}

/// Where results go: text for people, or one JSON document.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a result: `text` for people, or `document`, whose schema is `reenact.{name}.v1`.
    pub(crate) fn result(&self, name: &str, text: &str, document: &impl Serialize) {
        self.line(name, text, document);
    }

    /// As [`result`](Self::result), of one of many; false if nobody reads any more.
    pub(crate) fn line(&self, name: &str, text: &str, document: &impl Serialize) -> bool {
        if self.json {
            let tagged = Tagged { schema: format!("reenact.{name}.v1"), document };
            let line = serde_json::to_string(&tagged).expect("documents have text keys and finite numbers");
            print_line(&line)
        } else {
            print_line(&plain(text))
        }
    }

    /// Tells why a command did not do its work.
    pub(crate) fn fault(&self, fault: &Fault) -> Exit {
        let message = fault.message();
        if self.json {
            let document = FaultDocument { error: &message, exit: fault.exit as u8 };
            self.result("error", "", &document);
        }
        say(&format!("error: {message}"));
        fault.exit
    }
}

/// A line on standard error, for people.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// Text without control characters, which a file or a game may have put there to command the terminal.
fn plain(text: &str) -> String {
    let escape = |character: char| match character {
        '\n' => "\n".to_owned(),
        control if control.is_control() => control.escape_default().to_string(),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

/// A reader that has gone away, as `head` does, is no error, but gets no more; anything else leaves the result unsaid.
fn print_line(line: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => {
            say(&format!("error: print the result: {error}"));
            std::process::exit(i32::from(Exit::CannotTell as u8));
        }
    }
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    schema: String,
    #[serde(flatten)]
    document: &'a T,
}

#[derive(Serialize)]
struct FaultDocument<'a> {
    error: &'a str,
    exit: u8,
}
