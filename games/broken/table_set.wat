;; Keeps state in a table, which no snapshot holds.
(module
  (memory (export "memory") 1)
  (table $table 2 funcref)
  (elem declare func $nothing)
  (func $nothing)
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (table.set $table (i32.const 1) (ref.func $nothing))
    (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game table_set\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
