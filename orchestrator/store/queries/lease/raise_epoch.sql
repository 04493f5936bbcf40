UPDATE runs SET epoch = epoch + 1 WHERE number = ?1 RETURNING epoch
