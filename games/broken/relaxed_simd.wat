;; Uses an instruction whose result depends on the machine.
(module
  (memory (export "memory") 1)
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (drop (i8x16.relaxed_swizzle (v128.const i32x4 1 2 3 4) (v128.const i32x4 -1 -1 -1 -1)))
    (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game relaxed_simd\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
