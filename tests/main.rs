//! End to end: the real binary on real files. One program, because each further one that links the
//! whole product costs half a gigabyte and a quarter of a minute.

mod cli;
mod faults;
mod pipelines;
mod yard;
