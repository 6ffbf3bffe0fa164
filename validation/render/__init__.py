"""What people take away: drawings and exchange files made of plain values. Reads no rows."""
