//! On-demand expressions: SQL over one row, typed before it is evaluated, the same code for training and for lookup.
