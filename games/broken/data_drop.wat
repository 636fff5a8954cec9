;; Drops a data segment, which no snapshot holds.
(module
  (memory (export "memory") 1)
  (data $segment "x")
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (data.drop $segment)
    (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game data_drop\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
