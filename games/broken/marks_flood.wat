;; Emits a hundred thousand marks in a step.
(module
  (import "reenact1" "mark" (func $mark (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global $left (mut i32) (i32.const 0))
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (global.set $left (i32.const 100000))
    (loop $again
      (call $mark (i32.const 1) (i32.const 0) (i32.const 0))
      (global.set $left (i32.sub (global.get $left) (i32.const 1)))
      (br_if $again (global.get $left)))
    (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game marks_flood\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
