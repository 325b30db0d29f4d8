"""For how many generations, and with what human share, is this recipe safe?"""
