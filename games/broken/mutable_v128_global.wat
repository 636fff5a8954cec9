;; Keeps state in a vector global, which no snapshot holds.
(module
  (memory (export "memory") 1)
  (global $hidden (mut v128) (v128.const i32x4 0 0 0 0))
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (global.set $hidden (i32x4.add (global.get $hidden) (v128.const i32x4 1 1 1 1)))
    (i32x4.extract_lane 0 (v128.and (global.get $hidden) (v128.const i32x4 0 0 0 0))))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game mutable_v128_global\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
