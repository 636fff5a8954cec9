;; Calls itself without end; the result is used after the call, so that no call is in tail position.
(module
  (memory (export "memory") 1)
  (func $deeper (param $depth i32) (result i32)
    (i32.add (local.get $depth) (call $deeper (i32.add (local.get $depth) (i32.const 1)))))
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32) (call $deeper (i32.const 1)))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game deep_recursion\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
