//! Where the inputs of a recording come from: a bot, or a file.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use reenact::Tick;
use reenact::bot::Bot;
use reenact::input::{ColumnKind, InputSchema, Inputs};
use reenact_wasm::WasmSimulation;
use serde_json::{Map, Value};

use crate::open::read_file;

/// Bytes of an inputs file.
const INPUTS_BYTES_MAX: usize = 256 << 20;

/// What the participants of a recording do.
pub(crate) enum Source {
    /// The game's own bots, or random inputs where it has none.
    Bot(Bot),
    /// What a file says.
    Script(Script),
}

impl Source {
    /// Turns the inputs of the tick before into those of `tick`.
    pub(crate) fn act(
        &mut self,
        tick: Tick,
        schema: &InputSchema,
        simulation: &mut WasmSimulation,
        inputs: &mut Inputs,
    ) -> Result<()> {
        match self {
            Self::Bot(bot) => bot.play(simulation, schema, inputs).context("ask the game's bots")?,
            Self::Script(script) => script.act(tick, schema, inputs)?,
        }
        Ok(())
    }
}

/// Changes of inputs, one a line of JSON, in order of ticks:
/// `{"tick": 12, "participant": 0, "pad": ["x", "up"], "mouse_x": 40}`. Columns that a line does not name
/// stay as they were; `"present": false` makes the participant absent.
pub(crate) struct Script {
    changes: VecDeque<Change>,
}

struct Change {
    line: usize,
    tick: u32,
    participant: usize,
    present: bool,
    columns: BTreeMap<usize, i64>,
}

impl Script {
    /// Reads a script for a game with `schema`.
    pub(crate) fn read(path: &Path, schema: &InputSchema) -> Result<Self> {
        let bytes = read_file(path, INPUTS_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
        Self::parse(text, schema).with_context(|| format!("read {}", path.display()))
    }

    fn parse(text: &str, schema: &InputSchema) -> Result<Self> {
        let mut changes: VecDeque<Change> = VecDeque::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line_number = number + 1;
            let change =
                parse_change(line_number, line, schema).with_context(|| format!("line {line_number}"))?;
            let earlier = changes.back().is_some_and(|before| before.tick > change.tick);
            ensure!(!earlier, "line {line_number}: tick {} after a later one", change.tick);
            changes.push_back(change);
        }
        Ok(Self { changes })
    }

    fn act(&mut self, tick: Tick, schema: &InputSchema, inputs: &mut Inputs) -> Result<()> {
        while let Some(change) = self.changes.pop_front_if(|change| change.tick <= tick.0) {
            if !change.present {
                inputs.remove(change.participant);
                continue;
            }
            let mut row = inputs.values(schema, change.participant);
            for (column, value) in change.columns {
                row[column] = value;
            }
            let set = inputs.set(schema, change.participant, &row);
            set.with_context(|| format!("line {}", change.line))?;
        }
        Ok(())
    }
}

fn parse_change(line: usize, text: &str, schema: &InputSchema) -> Result<Change> {
    let object: Map<String, Value> = serde_json::from_str(text)?;
    let mut change = Change { line, tick: 0, participant: 0, present: true, columns: BTreeMap::new() };
    let whole = |value: &Value, name: &str, limit: u64| {
        let whole = value.as_u64().filter(|whole| *whole < limit);
        whole.ok_or_else(|| anyhow!("{name} is {value}, expected a whole number below {limit}"))
    };
    ensure!(object.contains_key("tick"), "there is no tick");
    for (key, value) in &object {
        match &key[..] {
            "tick" => change.tick = whole(value, key, u32::MAX.into())? as u32,
            "participant" => {
                change.participant = whole(value, key, schema.participants() as u64)? as usize;
            }
            "present" => change.present = value.as_bool().context("present is not true or false")?,
            name => {
                let (column, value) = parse_column(name, value, schema)?;
                change.columns.insert(column, value);
            }
        }
    }
    Ok(change)
}

/// The number of a column, and its value: a number, or the names of the buttons that are held.
fn parse_column(name: &str, value: &Value, schema: &InputSchema) -> Result<(usize, i64)> {
    let columns = schema.columns();
    let Some(index) = columns.iter().position(|column| column.name == name) else {
        let known: Vec<_> = columns.iter().map(|column| &column.name[..]).collect();
        bail!("no input column {name:?}; there are {}", known.join(", "));
    };
    let (min, max) = columns[index].range();
    let number = match (value, &columns[index].kind) {
        (Value::Array(held), ColumnKind::Buttons(names)) => {
            let mut mask = 0;
            for button in held {
                let bit = names.iter().position(|known| button == known);
                mask |= 1_i64 << bit.with_context(|| format!("no button {button} in {name}"))?;
            }
            Some(mask)
        }
        (value, _) => value.as_i64(),
    };
    let fits = number.filter(|number| (min..=max).contains(number));
    Ok((index, fits.with_context(|| format!("{name} is {value}, expected {min} to {max}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact::input::{Column, Width};

    fn schema() -> InputSchema {
        let buttons = ["x", "z"].map(String::from).to_vec();
        let pad = Column { name: "pad".into(), kind: ColumnKind::Buttons(buttons), width: Width::Bits8 };
        InputSchema::new(2, vec![pad, Column::axis("aim", Width::Bits16)]).unwrap()
    }

    #[test]
    fn columns_that_are_not_named_stay() {
        let text = "{\"tick\":0,\"pad\":[\"z\"]}\n\n{\"tick\":2,\"aim\":-5}\n{\"tick\":2,\"participant\":1}\n\
            {\"tick\":3,\"present\":false}\n";
        let mut script = Script::parse(text, &schema()).unwrap();
        let mut inputs = Inputs::absent(&schema());
        let mut at = |tick| {
            script.act(Tick(tick), &schema(), &mut inputs).unwrap();
            (inputs.get(0).map(<[i32]>::to_vec), inputs.get(1).map(<[i32]>::to_vec))
        };
        assert_eq!(at(0), (Some(vec![2, 0]), None));
        assert_eq!(at(2), (Some(vec![2, -5]), Some(vec![0, 0])));
        assert_eq!(at(3), (None, Some(vec![0, 0])));
    }

    #[test]
    fn mistakes_name_line_and_column() {
        let check = |text: &str, expected: &str| {
            let error = Script::parse(text, &schema()).err().map(|error| format!("{error:#}")).unwrap();
            assert!(error.contains(expected), "{error}");
        };
        check("{\"tick\":0}\n{\"tick\":1,\"pad\":256}", "line 2: pad is 256, expected 0 to 255");
        check("{\"tick\":1,\"paddle\":1}", "no input column \"paddle\"; there are pad, aim");
        check("{\"tick\":1,\"pad\":[\"q\"]}", "no button \"q\" in pad");
        check("{\"tick\":1,\"participant\":2}", "participant is 2, expected a whole number below 2");
        check("{\"tick\":-1}", "tick is -1");
        check("{\"pad\":1}", "there is no tick");
        check("{\"tick\":5}\n{\"tick\":4}", "line 2: tick 4 after a later one");
        check("nonsense", "line 1");
    }
}
