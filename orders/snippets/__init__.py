"""What merchants take into their own shops. Nothing in here may import anything of ours."""
