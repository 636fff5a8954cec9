//! The file of events that are whole but have no place in the new log: one line of JSON each.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::event::{NewEvent, Position, Sequence, StreamId, Timestamp};

/// Why an event is not in the new log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The begin of its stream is missing.
    Begin,
    /// Events of its stream before it are missing.
    Gap,
    /// Its block is damaged.
    Block,
    /// It comes again.
    Again,
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Self::Begin => "the begin of its stream is missing",
            Self::Gap => "events of its stream before it are missing",
            Self::Block => "its block is damaged",
            Self::Again => "it comes again",
        }
    }
}

/// Where and when an event was, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Was {
    pub(super) position: Option<Position>,
    pub(super) timestamp: Option<Timestamp>,
}

/// The file, which is made when there is something for it.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) path: PathBuf,
    file: Option<BufWriter<File>>,
    pub(super) events: u64,
}

impl Rest {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, events: 0 }
    }

    pub(super) fn push(
        &mut self,
        why: Why,
        was: Was,
        (stream, sequence, event): (&StreamId, Sequence, &NewEvent),
    ) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(BufWriter::new(File::create_new(&self.path)?));
        }
        self.events += 1;
        let line = line(why, was, (stream, sequence, event));
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }

    /// Writes everything out; it is durable when the directory is.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn line(why: Why, was: Was, (stream, sequence, event): (&StreamId, Sequence, &NewEvent)) -> String {
    let number = |number: Option<u64>| number.map_or("null".to_owned(), |number| number.to_string());
    let trace = event.trace.as_ref().map(ToString::to_string);
    let mut line = format!(
        r#"{{"stream":"{stream}","sequence":{sequence},"position":{},"timestamp":{},"event_id":"{}","kind":"{}","#,
        number(was.position.map(|position| position.0)),
        number(was.timestamp.map(|timestamp| timestamp.0)),
        event.id,
        event.kind,
    );
    let state = event.trace.as_ref().and_then(|trace| trace.state());
    let parts = [
        format!(r#""occurred_at":{},"#, number(event.occurred_at.map(|at| at.0))),
        format!(r#""traceparent":{},"#, text(trace.as_deref())),
        format!(r#""tracestate":{},"#, text(state)),
        format!(r#""why":"{}","payload":""#, why.text()),
    ];
    line.push_str(&parts.concat());
    for byte in &event.payload {
        write!(line, "{byte:02x}").expect("a string takes everything");
    }
    line.push_str("\"}\n");
    line
}

/// Printable ASCII as JSON.
fn text(text: Option<&str>) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    text.map_or("null".into(), |text| format!("\"{}\"", escaped(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, EventKind};
    use crate::trace::TraceContext;

    #[test]
    fn a_line_has_all_fields() {
        let uuid = uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let trace = TraceContext::new([0xaa; 16], [0xbb; 8], 1).unwrap().with_state(r#"a="\"#).unwrap();
        let event = NewEvent {
            id: EventId::from_uuid(uuid).unwrap(),
            occurred_at: Some(Timestamp(5)),
            trace: Some(trace),
            ..NewEvent::new(EventKind::new("K").unwrap(), &b"\x00\xff"[..])
        };
        let was = Was { position: Some(Position(7)), timestamp: None };
        let expected = concat!(
            r#"{"stream":"s","sequence":3,"position":7,"timestamp":null,"#,
            r#""event_id":"01900000-0000-7000-8000-000000000001","kind":"K","occurred_at":5,"#,
            r#""traceparent":"00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01","#,
            r#""tracestate":"a=\"\\","why":"events of its stream before it are missing","payload":"00ff"}"#,
            "\n"
        );
        let stream = StreamId::new("s").unwrap();
        assert_eq!(line(Why::Gap, was, (&stream, Sequence(3), &event)), expected);
    }
}
