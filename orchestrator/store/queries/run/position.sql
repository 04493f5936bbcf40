SELECT epoch, events FROM runs WHERE number = ?1
