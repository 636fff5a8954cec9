;; The start section never ends.
(module
  (memory (export "memory") 1)
  (func $forever (loop $again (br $again)))
  (start $forever)
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32) (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game loop_in_start\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
