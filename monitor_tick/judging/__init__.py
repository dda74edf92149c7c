"""The grounds on which checks judge: one pure decision a module, shared by the checks that need it."""
