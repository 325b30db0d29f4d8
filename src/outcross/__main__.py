from outcross.cli import main

main()
