"""Where files are kept, and the links that lead to them: a folder, or an S3 bucket."""
