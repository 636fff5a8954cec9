//! The macro that declares a game.

/// Declares a game: makes its state struct, its input row and the exports and sections of the ABI.
///
/// What it makes, in the module where it stands:
///
/// - the state struct, first the fields that the schema names ([`Field`](crate::Field)s), then the hidden
///   ones (any [`Plain`](crate::Plain) type); implement [`Game`](crate::Game) for it;
/// - `Row`, with a field for each input column, and `Inputs`, an alias of
///   [`Inputs`](crate::Inputs) for this game;
/// - a module for each `buttons` column with a mask for each button (`pad::UP`), and a module `marks` with
///   the mark kinds (`marks::HIT`);
/// - for wasm, the exports, the sections `reenact.abi` and `reenact.schema` and the panic handler.
///
/// `marks`, `picture`, `bot` and `hidden` may be left out. Names of buttons and marks are written as
/// constants and appear in the schema in lower case. An example is at the root of this crate.
#[macro_export]
macro_rules! game {
    (
        name: $name:literal,
        participants: $participants:literal,
        rate: $rate:literal,
        inputs: { $( $kind:ident $column:ident : $column_type:ident $( [ $( $button:ident ),* $(,)? ] )? ),* $(,)? },
        $( marks: { $( $mark_kind:literal => $mark:ident ),* $(,)? }, )?
        $( picture: $width:literal x $height:literal, )?
        $( bot: $bot:literal, )?
        state: $(#[$meta:meta])* $state:ident {
            $( $(#[$field_meta:meta])* $field:ident : $field_type:ty ),* $(,)?
        } $( hidden {
            $( $(#[$hidden_meta:meta])* $hidden:ident : $hidden_type:ty ),* $(,)?
        } )? $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        #[repr(C)]
        pub struct $state {
            $( $(#[$field_meta])* pub $field: $field_type, )*
            $( $( $(#[$hidden_meta])* pub(crate) $hidden: $hidden_type, )* )?
        }

        impl $crate::Plain for $state {
            const ZERO: Self = Self {
                $( $field: <$field_type as $crate::Plain>::ZERO, )*
                $( $( $hidden: <$hidden_type as $crate::Plain>::ZERO, )* )?
            };
        }

        /// One participant's input for one tick.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Row {
            $(
                #[allow(missing_docs)]
                pub $column: $column_type,
            )*
        }

        impl $crate::InputRow for Row {
            const BYTES: usize = 0 $( + <$column_type as $crate::Column>::BITS / 8 )*;

            fn read(bytes: &[u8]) -> Self {
                let at = 0;
                $(
                    let $column = <$column_type as $crate::Column>::read(&bytes[at..]);
                    let at = at + <$column_type as $crate::Column>::BITS / 8;
                )*
                let _ = (bytes, at);
                Self { $( $column, )* }
            }

            fn write(&self, bytes: &mut [u8]) {
                let at = 0;
                $(
                    $crate::Column::write(self.$column, &mut bytes[at..]);
                    let at = at + <$column_type as $crate::Column>::BITS / 8;
                )*
                let _ = (bytes, at);
            }
        }

        /// The input of one tick from all participants.
        pub type Inputs = $crate::Inputs<Row, $participants>;

        $( $(
            /// The masks of the buttons of this input column.
            pub mod $column {
                #[allow(clippy::upper_case_acronyms)]
                enum Bit { $( $button, )* }
                $(
                    #[allow(missing_docs)]
                    pub const $button: super::reenact1_schema::column_type::$column = 1 << Bit::$button as u32;
                )*
            }
        )? )*

        $(
            /// The mark kinds.
            pub mod marks {
                $(
                    #[allow(missing_docs)]
                    pub const $mark: u16 = $mark_kind;
                )*
            }
        )?

        mod reenact1_schema {
            #[allow(unused_imports)]
            use super::*;

            /// Named after the columns, so that the modules of masks can use them.
            #[allow(non_camel_case_types, dead_code)]
            pub(super) mod column_type {
                $( pub(crate) type $column = $column_type; )*
            }

            pub(super) const WIDTH: u16 = 0 $( + $width )?;
            pub(super) const HEIGHT: u16 = 0 $( + $height )?;
            pub(super) const BOT: bool = false $( || $bot )?;

            const fn text() -> $crate::Text {
                let text = $crate::Text::new().text("game ").text($name);
                let text = text.text("\nparticipants").word($participants).text("\nrate").word($rate);
                $(
                    assert!(
                        $crate::same(stringify!($kind), <$column_type as $crate::Column>::KIND),
                        "a column of buttons is unsigned, an axis is signed"
                    );
                    let text = text.text("\n").text(stringify!($kind)).text(" ").text(stringify!($column));
                    let text = text.word(<$column_type as $crate::Column>::BITS);
                    $( let text = text.buttons(&[$( stringify!($button) ),*]); )?
                )*
                let end = 0;
                $(
                    let offset = $crate::align_up(end, ::core::mem::align_of::<$field_type>());
                    let text = text.text("\nfield ").text(stringify!($field)).text(" ");
                    let text = text.text(<$field_type as $crate::Field>::TYPE);
                    let text = text.word(<$field_type as $crate::Field>::COUNT).word(offset);
                    let end = offset + ::core::mem::size_of::<$field_type>();
                )*
                assert!(end <= ::core::mem::size_of::<$state>());
                $( $(
                    let text = text.text("\nmark").word($mark_kind).text(" ").lower(stringify!($mark));
                )* )?
                let text = if WIDTH > 0 {
                    text.text("\npicture").word(WIDTH as usize).word(HEIGHT as usize).text(" rgb332")
                } else {
                    text
                };
                (if BOT { text.text("\nbot") } else { text }).text("\n")
            }

            const BYTES: usize = text().length();

            #[cfg_attr(target_arch = "wasm32", link_section = "reenact.schema")]
            #[used]
            pub(super) static SCHEMA: [u8; BYTES] = TEXT;

            pub(super) const TEXT: [u8; BYTES] = text().to_array();
        }

        impl $crate::Declared for $state {
            type Row = Row;
            type Inputs = Inputs;
            const SCHEMA: &'static [u8] = &reenact1_schema::TEXT;
            const BOT: bool = reenact1_schema::BOT;

            fn parse(frame: &[u8]) -> ::core::option::Option<Inputs> {
                Inputs::parse(frame)
            }
        }

        #[cfg(target_arch = "wasm32")]
        mod reenact1_exports {
            use super::*;
            use $crate::export::{self, Shared};

            const BUFFER_BYTES: usize = if Inputs::FRAME_BYTES > export::CONFIG_BYTES_MAX {
                Inputs::FRAME_BYTES
            } else {
                export::CONFIG_BYTES_MAX
            };
            const PIXELS: usize = reenact1_schema::WIDTH as usize * reenact1_schema::HEIGHT as usize;

            #[link_section = "reenact.abi"]
            #[used]
            static ABI: [u8; 4] = [1, 0, 0, 0];

            #[no_mangle]
            #[allow(non_upper_case_globals)]
            pub static reenact_state: Shared<$state> = Shared::new(<$state as $crate::Plain>::ZERO);

            static BUFFER: Shared<[u8; BUFFER_BYTES]> = Shared::new([0; BUFFER_BYTES]);
            static PICTURE: Shared<[u8; export::PICTURE_HEADER_BYTES + PIXELS]> =
                Shared::new([0; export::PICTURE_HEADER_BYTES + PIXELS]);

            #[no_mangle]
            pub extern "C" fn reenact1_input(bytes: usize) -> *const u8 {
                export::input(&BUFFER, bytes)
            }

            #[no_mangle]
            pub extern "C" fn reenact1_init(seed: u64, address: *const u8, bytes: usize) -> i32 {
                export::init(&reenact_state, &BUFFER, seed, address, bytes)
            }

            #[no_mangle]
            pub extern "C" fn reenact1_step(bytes: usize) -> i32 {
                export::step(&reenact_state, &BUFFER, bytes)
            }

            #[no_mangle]
            pub extern "C" fn reenact1_view(viewer: i32, kind: i32) -> u64 {
                match kind {
                    0 => {
                        let (width, height) = (reenact1_schema::WIDTH, reenact1_schema::HEIGHT);
                        export::picture(&reenact_state, &PICTURE, viewer, width, height)
                    }
                    1 => export::suggestion(&reenact_state, &BUFFER, viewer),
                    _ => 0,
                }
            }

            #[panic_handler]
            fn panicked(info: &::core::panic::PanicInfo) -> ! {
                export::panicked(info)
            }
        }
    };
}
