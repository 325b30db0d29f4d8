"""What has this data lost, compared with human data?"""
