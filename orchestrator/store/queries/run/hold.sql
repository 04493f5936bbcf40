UPDATE runs SET epoch = epoch WHERE number = ?1 RETURNING epoch, events
