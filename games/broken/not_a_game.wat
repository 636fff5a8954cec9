;; Has no section that names the version of the ABI.
(module
  (memory (export "memory") 1)
  (func (export "reenact1_input") (param $bytes i32) (result i32) (i32.const 1024))
  (func (export "reenact1_init") (param $seed i64) (param $at i32) (param $bytes i32) (result i32) (i32.const 0))
  (func (export "reenact1_step") (param $bytes i32) (result i32) (i32.const 0))
  (@custom "reenact.schema" "game not_a_game\nparticipants 1\nrate 60\nbuttons pad 8 a\n"))
