Console.Error.WriteLine("decoder"); return 2;
