;; Asks for 64 MiB more at each step, and touches them.
(module
  (memory (export "memory") 1)
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32)
    (drop (memory.grow (i32.const 1024)))
    (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))
    (i32.const 0))
  (@custom "reenact.abi" "\01\00\00\00")
  (@custom "reenact.schema" "game memory_grow_bomb\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
