//! The `reenact.schema` section: what a game says about itself.

use std::str::FromStr;

use reenact::input::{Column, ColumnKind, InputSchema, Width};
use reenact::limits::{COLUMNS_MAX, NAME_BYTES_MAX, PARTICIPANTS_MAX};

use crate::limits::{PICTURE_SIDE_MAX, SCHEMA_BYTES_MAX, SCHEMA_FIELD_ELEMENTS_MAX, SCHEMA_FIELDS_MAX};

/// A parsed schema. What the text leaves out has the default of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The name of the game, empty where the schema gives none.
    pub game: String,
    /// How many participants the game is for, 1 to 64.
    pub participants: usize,
    /// Ticks a second, 1 to 1,000.
    pub rate: u32,
    /// The columns of an input row, in order; none stands for one column of eight buttons, `pad`.
    pub columns: Vec<Column>,
    /// Named parts of the state.
    pub fields: Vec<Field>,
    /// Names of mark kinds, in the order of their declaration.
    pub marks: Vec<Mark>,
    /// The pictures that view kind 0 gives.
    pub picture: Option<Picture>,
    /// Whether view kind 1 gives input suggestions.
    pub bot: bool,
}

/// A named part of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// The type of its elements.
    pub kind: FieldKind,
    /// How many elements it has.
    pub count: u32,
    /// Bytes from `reenact_state` to the first element.
    pub offset_bytes: u32,
}

/// The type of a field's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the numeric types")]
pub enum FieldKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl FieldKind {
    /// Bytes of one element.
    pub fn bytes(self) -> u32 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// The name of a mark kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The kind, as the guest passes it.
    pub kind: u16,
    /// Its name.
    pub name: String,
}

/// What pictures the game gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Pixels a row, at least 1.
    pub width: u16,
    /// Rows, at least 1.
    pub height: u16,
    /// How a pixel is encoded.
    pub format: PictureFormat,
}

/// How a pixel is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// Four bytes: red, green, blue, alpha.
    Rgba8,
    /// One byte: red in the top three bits, then three of green and two of blue.
    Rgb332,
}

/// A schema cannot be read. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The section is too long.
    #[error("{found} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes of the section.
        found: usize,
        /// [`SCHEMA_BYTES_MAX`].
        limit: usize,
    },
    /// The section is there more than once.
    #[error("more than one section")]
    Several,
    /// The text is not UTF-8.
    #[error("not utf-8 from byte {valid_up_to}")]
    NotUtf8 {
        /// Bytes before the first ill-formed one.
        valid_up_to: usize,
    },
    /// A declaration has too few words, too many, or a word that is not allowed there.
    #[error("line {line}: found `{found}`, expected `{expected}`")]
    Line {
        /// The line's number.
        line: usize,
        /// The line as it stands.
        found: String,
        /// How the declaration is written.
        expected: &'static str,
    },
    /// A name is given twice, or a declaration that may appear once is repeated.
    #[error("line {line}: `{what}` is declared twice")]
    Repeated {
        /// The line's number.
        line: usize,
        /// What is there already.
        what: String,
    },
    /// There are more columns or fields than a schema may have.
    #[error("line {line}: more than {limit} {what}")]
    TooMany {
        /// The line's number.
        line: usize,
        /// `columns`, `fields` or `numbers in fields`.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

impl Schema {
    /// Reads the bytes of the section.
    ///
    /// # Errors
    /// See [`SchemaError`]. Lines with an unknown first word are passed over.
    pub fn parse(bytes: &[u8]) -> Result<Self, SchemaError> {
        if bytes.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLong { found: bytes.len(), limit: SCHEMA_BYTES_MAX });
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| SchemaError::NotUtf8 { valid_up_to: error.valid_up_to() })?;
        let mut parser = Parser { schema: Self::default(), seen: Vec::new() };
        for (index, text) in text.lines().enumerate() {
            parser.line(&Line { number: index + 1, text })?;
        }
        Ok(parser.schema)
    }

    /// The input columns of each participant.
    pub fn input_schema(&self) -> InputSchema {
        let columns = match self.columns.as_slice() {
            [] => vec![Column::buttons("pad", Width::Bits8)],
            declared => declared.to_vec(),
        };
        InputSchema::new(self.participants, columns)
            .expect("the parser holds names and counts to the same limits")
    }
}

impl Default for Schema {
    fn default() -> Self {
        Self {
            game: String::new(),
            participants: 1,
            rate: 60,
            columns: Vec::new(),
            fields: Vec::new(),
            marks: Vec::new(),
            picture: None,
            bot: false,
        }
    }
}

struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn repeated(&self, what: &str) -> SchemaError {
        SchemaError::Repeated { line: self.number, what: what.to_owned() }
    }

    /// `value`, or the error that shows how the line is to be written.
    fn need<T>(&self, value: Option<T>, expected: &'static str) -> Result<T, SchemaError> {
        value.ok_or_else(|| SchemaError::Line { line: self.number, found: self.text.to_owned(), expected })
    }

    fn room(&self, used: usize, what: &'static str, limit: usize) -> Result<(), SchemaError> {
        if used < limit { Ok(()) } else { Err(SchemaError::TooMany { line: self.number, what, limit }) }
    }
}

struct Parser<'a> {
    schema: Schema,
    /// First words of the declarations met so far that may appear once.
    seen: Vec<&'a str>,
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: &Line<'a>) -> Result<(), SchemaError> {
        let (keyword, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
        let words: Vec<&str> = line.text.split(' ').skip(1).collect();
        match keyword {
            "game" | "participants" | "rate" | "picture" | "bot" => self.once(keyword, line)?,
            _ => {}
        }
        match keyword {
            "game" => self.schema.game = line.need(game_name(rest), "game NAME")?,
            "participants" => {
                self.schema.participants =
                    line.need(only(&words, 1, PARTICIPANTS_MAX), "participants N (1 to 64)")?;
            }
            "rate" => self.schema.rate = line.need(only(&words, 1, 1000), "rate N (1 to 1000)")?,
            "buttons" => {
                self.column(line.need(buttons(&words), "buttons NAME BITS [BUTTON,...]")?, line)?;
            }
            "axis" => self.column(line.need(axis(&words), "axis NAME BITS")?, line)?,
            "field" => self.field(line.need(field(&words), "field NAME TYPE COUNT OFFSET")?, line)?,
            "mark" => self.mark(line.need(mark(&words), "mark KIND NAME")?, line)?,
            "picture" => {
                self.schema.picture = Some(line.need(picture(&words), "picture WIDTH HEIGHT FORMAT")?);
            }
            "bot" => self.schema.bot = line.need(words.is_empty().then_some(true), "bot")?,
            _ => {}
        }
        Ok(())
    }

    fn once(&mut self, keyword: &'a str, line: &Line) -> Result<(), SchemaError> {
        if self.seen.contains(&keyword) {
            return Err(line.repeated(keyword));
        }
        self.seen.push(keyword);
        Ok(())
    }

    fn column(&mut self, column: Column, line: &Line) -> Result<(), SchemaError> {
        let columns = &mut self.schema.columns;
        line.room(columns.len(), "columns", COLUMNS_MAX)?;
        if columns.iter().any(|other| other.name == column.name) {
            return Err(line.repeated(&column.name));
        }
        columns.push(column);
        Ok(())
    }

    fn field(&mut self, field: Field, line: &Line) -> Result<(), SchemaError> {
        let elements = self.schema.fields.iter().map(|field| u64::from(field.count)).sum::<u64>();
        let room = u64::from(SCHEMA_FIELD_ELEMENTS_MAX).saturating_sub(elements);
        if u64::from(field.count) > room {
            let (what, limit) = ("numbers in fields", SCHEMA_FIELD_ELEMENTS_MAX as usize);
            return Err(SchemaError::TooMany { line: line.number, what, limit });
        }
        let fields = &mut self.schema.fields;
        line.room(fields.len(), "fields", SCHEMA_FIELDS_MAX)?;
        if fields.iter().any(|other| other.name == field.name) {
            return Err(line.repeated(&field.name));
        }
        fields.push(field);
        Ok(())
    }

    fn mark(&mut self, mark: Mark, line: &Line) -> Result<(), SchemaError> {
        if self.schema.marks.iter().any(|other| other.kind == mark.kind) {
            return Err(line.repeated(&mark.kind.to_string()));
        }
        self.schema.marks.push(mark);
        Ok(())
    }
}

fn game_name(text: &str) -> Option<String> {
    (1..=NAME_BYTES_MAX).contains(&text.len()).then(|| text.to_owned())
}

fn name(word: &str) -> Option<String> {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    (plain && (1..=NAME_BYTES_MAX).contains(&word.len())).then(|| word.to_owned())
}

/// A number in plain decimal digits: no sign, which `FromStr` would take.
fn number<T: FromStr>(word: &str) -> Option<T> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) { word.parse().ok() } else { None }
}

/// The single number of a line, within its range.
fn only<T: FromStr + PartialOrd>(words: &[&str], least: T, most: T) -> Option<T> {
    let [word] = words else { return None };
    number(word).filter(|found| (least..=most).contains(found))
}

fn width(word: &str) -> Option<Width> {
    number(word).and_then(Width::from_bits)
}

fn buttons(words: &[&str]) -> Option<Column> {
    let (column, names) = match words {
        [column, bits] => ((column, bits), Vec::new()),
        [column, bits, names] => ((column, bits), names.split(',').map(name).collect::<Option<_>>()?),
        _ => return None,
    };
    let (name, width) = (name(column.0)?, width(column.1)?);
    let fits = names.len() <= width.bits() as usize;
    fits.then_some(Column { name, width, kind: ColumnKind::Buttons(names) })
}

fn axis(words: &[&str]) -> Option<Column> {
    let [column, bits] = words else { return None };
    Some(Column { name: name(column)?, width: width(bits)?, kind: ColumnKind::Axis })
}

fn field(words: &[&str]) -> Option<Field> {
    let [field, kind, count, offset] = words else { return None };
    let kind = match *kind {
        "u8" => FieldKind::U8,
        "i8" => FieldKind::I8,
        "u16" => FieldKind::U16,
        "i16" => FieldKind::I16,
        "u32" => FieldKind::U32,
        "i32" => FieldKind::I32,
        "u64" => FieldKind::U64,
        "i64" => FieldKind::I64,
        "f32" => FieldKind::F32,
        "f64" => FieldKind::F64,
        _ => return None,
    };
    Some(Field { name: name(field)?, kind, count: number(count)?, offset_bytes: number(offset)? })
}

fn mark(words: &[&str]) -> Option<Mark> {
    let [kind, mark] = words else { return None };
    Some(Mark { kind: number(kind)?, name: name(mark)? })
}

fn picture(words: &[&str]) -> Option<Picture> {
    let [width, height, format] = words else { return None };
    let format = match *format {
        "rgba8" => PictureFormat::Rgba8,
        "rgb332" => PictureFormat::Rgb332,
        _ => return None,
    };
    let side = |word| number(word).filter(|side| (1..=PICTURE_SIDE_MAX).contains(side));
    Some(Picture { width: side(width)?, height: side(height)?, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Schema, String> {
        Schema::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_error(text: &str, message: &str) {
        assert_eq!(parse(text).unwrap_err(), message, "{text}");
    }

    #[test]
    fn every_declaration() {
        let text = "game Two words\nparticipants 2\nrate 30\nbuttons pad 8 up,down\naxis aim 16\n\
            buttons keys 32\nfield score u16 2 8\nmark 7 goal\npicture 160 120 rgb332\nbot\nlater thing\n\n";
        let schema = parse(text).unwrap();
        assert_eq!((schema.game.as_str(), schema.participants, schema.rate), ("Two words", 2, 30));
        assert_eq!(schema.input_schema().stride_bytes(), 7);
        let names = vec!["up".to_owned(), "down".to_owned()];
        assert_eq!(schema.columns[0].kind, ColumnKind::Buttons(names));
        assert_eq!(schema.columns[1].kind, ColumnKind::Axis);
        assert_eq!((schema.fields[0].kind, schema.fields[0].offset_bytes), (FieldKind::U16, 8));
        assert_eq!(schema.marks, [Mark { kind: 7, name: "goal".to_owned() }]);
        let picture = Picture { width: 160, height: 120, format: PictureFormat::Rgb332 };
        assert_eq!((schema.picture, schema.bot), (Some(picture), true));
    }

    #[test]
    fn empty_has_the_defaults() {
        let schema = parse("").unwrap();
        assert_eq!(schema, Schema::default());
        assert_eq!(schema.input_schema().columns(), [Column::buttons("pad", Width::Bits8)]);
    }

    #[test]
    fn errors_name_the_line() {
        check_error(
            "\nparticipants 65",
            "line 2: found `participants 65`, expected `participants N (1 to 64)`",
        );
        check_error("rate 0", "line 1: found `rate 0`, expected `rate N (1 to 1000)`");
        check_error("rate +1", "line 1: found `rate +1`, expected `rate N (1 to 1000)`");
        check_error("game", "line 1: found `game`, expected `game NAME`");
        check_error("axis  8", "line 1: found `axis  8`, expected `axis NAME BITS`");
        check_error("axis a 12", "line 1: found `axis a 12`, expected `axis NAME BITS`");
        let many = "buttons a 8 a,b,c,d,e,f,g,h,i";
        check_error(many, &format!("line 1: found `{many}`, expected `buttons NAME BITS [BUTTON,...]`"));
        check_error(
            "field f v128 1 0",
            "line 1: found `field f v128 1 0`, expected `field NAME TYPE COUNT OFFSET`",
        );
        check_error("mark 65536 a", "line 1: found `mark 65536 a`, expected `mark KIND NAME`");
        check_error(
            "picture 0 1 rgba8",
            "line 1: found `picture 0 1 rgba8`, expected `picture WIDTH HEIGHT FORMAT`",
        );
        check_error("bot now", "line 1: found `bot now`, expected `bot`");
    }

    #[test]
    fn repetition_is_refused() {
        check_error("rate 1\nrate 1", "line 2: `rate` is declared twice");
        check_error("axis a 8\nbuttons a 8", "line 2: `a` is declared twice");
        check_error("field a u8 1 0\nfield a u8 1 1", "line 2: `a` is declared twice");
        check_error("mark 1 a\nmark 1 b", "line 2: `1` is declared twice");
    }

    #[test]
    fn limits() {
        let columns: Vec<_> = (0..17).map(|n| format!("axis a{n} 8\n")).collect();
        check_error(&columns.concat(), "line 17: more than 16 columns");
        let fields: Vec<_> = (0..1025).map(|n| format!("field a{n} u8 1 0\n")).collect();
        check_error(&fields.concat(), "line 1025: more than 1024 fields");
        let many = "field a u8 65536 0\nfield b u8 1 0";
        check_error(many, "line 2: more than 65536 numbers in fields");
        check_error(&"x".repeat(65_537), "65537 bytes, the limit is 65536");
        assert_eq!(Schema::parse(b"ab\xff"), Err(SchemaError::NotUtf8 { valid_up_to: 2 }));
    }
}
