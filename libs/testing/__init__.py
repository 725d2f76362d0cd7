"""What tests share: waiting for what happens elsewhere, and events as shops send them."""
